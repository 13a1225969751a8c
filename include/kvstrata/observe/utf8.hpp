// Text from outside, as UTF-8: what is none is replaced.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

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

/// Takes the first character off a text that is not empty. A byte that is no UTF-8 becomes U+FFFD.
[[nodiscard]] constexpr std::string_view take_character(std::string_view& text) noexcept
{
  const std::size_t length = utf8_length(text);
  const std::string_view character = length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
  text.remove_prefix(length == 0 ? 1 : length);
  return character;
}

}  // namespace kvstrata::detail
