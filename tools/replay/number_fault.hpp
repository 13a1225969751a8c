// Says what is wrong with a number or a text on a command line.
#pragma once

#include <charconv>
#include <string>
#include <system_error>
#include <type_traits>

namespace replay {

/// What is wrong with the text of a number; nothing when it is right.
template <class T>
[[nodiscard]] std::string number_fault(const std::string& text)
{
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault == std::errc::result_out_of_range) return "'" + text + "' is out of range";
  if (fault == std::errc() && stop == end) return {};
  return "'" + text + (std::is_integral_v<T> ? "' is not a whole number from 0 up" : "' is not a number");
}

/// What is wrong with a text, such as a path: only an empty one is, which would be as if it were not given.
[[nodiscard]] inline std::string text_fault(const std::string& text)
{
  return text.empty() ? "it must not be empty" : "";
}

}  // namespace replay
