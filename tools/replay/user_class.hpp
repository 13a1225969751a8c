// Some of a trace's users, by their numbers.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace replay {

/// Users whose number leaves this remainder: "7/16" are those that leave 7 when divided by 16.
struct user_class
{
  std::uint64_t remainder = 0;
  std::uint64_t divisor = 1;

  [[nodiscard]] bool has(std::uint64_t user) const noexcept { return user % divisor == remainder; }
};

/// Nothing for a text that is none.
[[nodiscard]] inline std::optional<user_class> parse_user_class(std::string_view text)
{
  user_class out;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits, std::uint64_t& to) {
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return fault == std::errc() && end == digits.data() + digits.size();
  };
  if (!number(text.substr(0, slash), out.remainder) || !number(text.substr(slash + 1), out.divisor))
    return std::nullopt;
  if (out.remainder >= out.divisor) return std::nullopt;
  return out;
}

}  // namespace replay
