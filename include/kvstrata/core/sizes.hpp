// Arithmetic on sizes that come from outside. What does not fit 64 bits is refused, or the largest size: never wrapped.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

inline constexpr std::uint64_t largest_size = (std::numeric_limits<std::uint64_t>::max)();

/// a * b. Throws config_error, which calls it `field`, when that does not fit 64 bits.
[[nodiscard]] constexpr std::uint64_t checked_product(std::string_view field, std::uint64_t a, std::uint64_t b)
{
  if (b == 0 || a <= largest_size / b) return a * b;
  throw config_error(field, std::to_string(a) + " x " + std::to_string(b),
                     "it may be at most " + std::to_string(largest_size));
}

/// a + b. Throws config_error, which calls it `field`, when that does not fit 64 bits.
[[nodiscard]] constexpr std::uint64_t checked_sum(std::string_view field, std::uint64_t a, std::uint64_t b)
{
  if (a <= largest_size - b) return a + b;
  throw config_error(field, std::to_string(a) + " + " + std::to_string(b),
                     "it may be at most " + std::to_string(largest_size));
}

/// a + b, for counts: where that does not fit, the largest size.
[[nodiscard]] constexpr std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept
{
  return a <= largest_size - b ? a + b : largest_size;
}

/// `size` times `factor`, which is at least 0, rounded; but at least 1, and at most the largest size.
[[nodiscard]] inline std::uint64_t scaled_size(std::uint64_t size, double factor) noexcept
{
  const double scaled = std::floor(static_cast<double>(size) * factor + 0.5);
  if (!(scaled < 0x1p64)) return largest_size;
  return scaled < 1 ? 1 : static_cast<std::uint64_t>(scaled);
}

}  // namespace kvstrata
