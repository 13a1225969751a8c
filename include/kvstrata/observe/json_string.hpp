// A text as a JSON string (RFC 8259).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstrata::detail {

/// Bytes of the well-formed UTF-8 character at the front of a text that is not empty; 0 when there is none. Well-formed
/// after table 3-7 of the Unicode standard: nothing overlong, no surrogates, nothing above U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept
{
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  const unsigned char lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < lowest || byte(1) > highest) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

/// Appends a text with its quotes. Bytes that are no UTF-8 become U+FFFD, each one: the result is always valid.
inline void append_json_string(std::string& to, std::string_view text)
{
  constexpr std::string_view digits = "0123456789abcdef";
  to += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      to += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      to.append(1, '\\').append(1, c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      to.append("\\u00").append(1, digits[static_cast<unsigned char>(c) >> 4]).append(1, digits[c & 15]);
    } else {
      to.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  to += '"';
}

}  // namespace kvstrata::detail
