// Text out of files that may hold anything, made fit to be shown: in a message on a terminal, and in HTML, SVG and JSON.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// How many bytes the character takes that begins `text`, which is not empty: 0 where it is no UTF-8, or a control
/// character.
[[nodiscard]] constexpr std::size_t length_of_character(std::string_view text) noexcept
{
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((byte(k) & 0xc0U) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool too_long = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool none = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);  // surrogates, past 10FFFF
  const bool control = first == 0xc2 && second < 0xa0;
  const bool noncharacter = first == 0xef && second == 0xbf && byte(2) >= 0xbe;  // no XML holds these two
  return too_long || none || control || noncharacter ? 0 : length;
}

/// Calls good(characters) and bad(byte) over all of `text`, front to back.
template <class Good, class Bad>
constexpr void for_each_character(std::string_view text, Good&& good, Bad&& bad)
{
  while (!text.empty()) {
    const std::size_t length = length_of_character(text);
    if (length == 0) bad(static_cast<unsigned char>(text.front()));
    else good(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace detail

/// The text for a message: control characters, those of terminals among them, and what is no UTF-8 become `\xNN`. `most`:
/// bytes of the text that are shown; of a longer one the beginning, and dots.
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t most = static_cast<std::size_t>(-1))
{
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  std::string_view shown = text.substr(0, most);
  for (int k = 0;
       k < 3 && shown.size() < text.size() && (static_cast<unsigned char>(text[shown.size()]) & 0xc0U) == 0x80; ++k) {
    shown.remove_suffix(shown.empty() ? 0 : 1);  // not in the middle of a character
  }
  detail::for_each_character(
      shown, [&out](std::string_view good) { out += good; },
      [&](unsigned char byte) { ((out += "\\x") += digits[byte >> 4U]) += digits[byte & 15U]; });
  return shown.size() < text.size() ? out + "..." : out;
}

/// A message as a terminal may have it: as above, but lines stay lines.
[[nodiscard]] inline std::string printable_lines(std::string_view text)
{
  std::string out;
  for (;;) {
    const std::size_t end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

/// The text as UTF-8 that every document may hold: what is none, and control characters, become U+FFFD.
[[nodiscard]] inline std::string valid_text(std::string_view text)
{
  std::string out;
  detail::for_each_character(
      text, [&out](std::string_view good) { out += good; }, [&out](unsigned char) { out += "\xef\xbf\xbd"; });
  return out;
}

}  // namespace kvstrata
