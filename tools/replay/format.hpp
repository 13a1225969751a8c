// Numbers as people read them.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace replay {

[[nodiscard]] inline std::string fixed(double value, int decimals)
{
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

/// Three significant digits: 1.23, 12.3, 123, 1234.
[[nodiscard]] inline std::string short_number(double value)
{
  const double size = std::abs(value);
  return fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/// 1234567 -> "1,234,567".
[[nodiscard]] inline std::string with_commas(std::uint64_t value)
{
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, 1, ',');
  }
  return text;
}

[[nodiscard]] inline std::string percent(double share) { return fixed(share * 100.0, 1) + " %"; }

[[nodiscard]] inline std::string times(double ratio) { return short_number(ratio) + "x"; }

[[nodiscard]] inline std::string seconds_text(double seconds)
{
  if (seconds == 0) return "0 s";
  if (std::abs(seconds) < 0.9995e-3) return short_number(seconds * 1e6) + " us";
  if (std::abs(seconds) < 0.9995) return short_number(seconds * 1e3) + " ms";
  return short_number(seconds) + " s";
}

[[nodiscard]] inline std::string bytes_text(std::uint64_t bytes)
{
  constexpr std::array units{" B", " KiB", " MiB", " GiB", " TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  return (unit == 0 ? std::to_string(bytes) : short_number(value)) + units[unit];
}

/// Rates with a decimal prefix: "12.0 GB/s", "203 GFLOP/s".
[[nodiscard]] inline std::string rate_text(double per_second, const std::string& unit)
{
  if (per_second >= 0.9995e12) return short_number(per_second / 1e12) + " T" + unit + "/s";
  if (per_second >= 0.9995e9) return short_number(per_second / 1e9) + " G" + unit + "/s";
  if (per_second >= 0.9995e6) return short_number(per_second / 1e6) + " M" + unit + "/s";
  return short_number(per_second) + " " + unit + "/s";
}

}  // namespace replay
