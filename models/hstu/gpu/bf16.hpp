// bfloat16 as the kernels read and write it: storage only, arithmetic is in float.
#pragma once

#include "hstu/gpu/function.hpp"

#include <bit>
#include <cstdint>

namespace hstu::gpu {

/// The upper half of a float.
struct bf16
{
  std::uint16_t bits = 0;

  friend constexpr bool operator==(bf16, bf16) = default;
};

[[nodiscard]] HSTU_FUNCTION constexpr float to_float(bf16 value) noexcept
{
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}

/// Rounds to nearest, ties to even; NaN stays NaN.
[[nodiscard]] HSTU_FUNCTION constexpr bf16 to_bf16(float value) noexcept
{
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace hstu::gpu
