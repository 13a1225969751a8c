// A text as a JSON string (RFC 8259).
#pragma once

#include <kvstrata/observe/utf8.hpp>

#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Appends a text with its quotes. Bytes that are no UTF-8 become U+FFFD, each one: the result is always valid.
inline void append_json_string(std::string& to, std::string_view text)
{
  constexpr std::string_view digits = "0123456789abcdef";
  to += '"';
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    const char c = character.front();
    if (c == '"' || c == '\\') to.append(1, '\\').append(1, c);
    else if (static_cast<unsigned char>(c) < 0x20)
      to.append("\\u00").append(1, digits[static_cast<unsigned char>(c) >> 4]).append(1, digits[c & 15]);
    else to.append(character);
  }
  to += '"';
}

}  // namespace kvstrata::detail
