// Seeded chance that does not depend on the order of asking.
#pragma once

#include <kvstrata/device/event.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// A number drawn for an operation and a purpose: splitmix64's finalizer (Steele, Lea, Flood, OOPSLA 2014) over the
/// seed and the three.
[[nodiscard]] constexpr std::uint64_t draw(std::uint64_t seed, stream_id stream, std::uint64_t sequence,
                                           std::uint64_t purpose) noexcept
{
  std::uint64_t x = seed;
  for (const std::uint64_t part : {static_cast<std::uint64_t>(stream), sequence, purpose}) {
    x += 0x9E3779B97F4A7C15U * (part + 1);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    x ^= x >> 31;
  }
  return x;
}

/// A drawn number as one of [0, 1).
[[nodiscard]] constexpr double fraction(std::uint64_t drawn) noexcept
{
  return static_cast<double>(drawn >> 11) * 0x1p-53;
}

}  // namespace kvstrata::emulated
