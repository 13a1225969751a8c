// fp8 as hardware has it, e4m3 without infinities (OCP "e4m3fn"): sign, four bits of exponent with a bias of 7, three of
// mantissa; 0x7f and 0xff are NaN; the largest is 448, the least 2^-9.
//
// What others define differently is defined here:
//   finite values beyond 448 become 448 with their sign (they saturate);
//   infinities become NaN with their sign (CUDA's conversion makes 448 of them);
//   a NaN keeps its sign (CUDA's conversion from float drops it);
//   all else is the nearest, ties to even, rounded once.
#pragma once

#include <kvstrata/codec/values.hpp>

#include <bit>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

inline constexpr float largest_e4m3 = 448;

[[nodiscard]] constexpr std::uint8_t to_e4m3(float value) noexcept
{
  const auto b = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = b >> 24U & 0x80U;
  const std::uint32_t rest = b & 0x7fff'ffffU;
  const std::uint32_t normal = (rest + 0x7'ffffU + (rest >> 20U & 1U) - (120U << 23U)) >> 20U;
  // 2^14 has the bits of f32 where subnormals of e4m3 have theirs: adding it rounds.
  const std::uint32_t least = choose(rest < 0x3c80'0000U, rest, 0);  // 2^-6
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(least) + 0x1p14F) - 0x4680'0000U;
  const std::uint32_t bounded = choose(rest > 0x43e0'0000U, 0x7e, normal);  // 448
  const std::uint32_t finite = choose(rest < 0x3c80'0000U, subnormal, bounded);
  return static_cast<std::uint8_t>(sign | choose(rest >= 0x7f80'0000U, 0x7f, finite));
}

[[nodiscard]] constexpr float from_e4m3(std::uint8_t code) noexcept
{
  const std::uint32_t sign = (std::uint32_t{code} & 0x80U) << 24U;
  const std::uint32_t rest = std::uint32_t{code} & 0x7fU;
  const std::uint32_t normal = (rest << 20U) + (120U << 23U);
  const auto subnormal = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(rest)) * 0x1p-9F);
  const std::uint32_t finite = choose(rest < 8, subnormal, normal);
  return std::bit_cast<float>(sign | choose(rest == 0x7fU, 0x7fc0'0000U, finite));
}

}  // namespace kvstrata::codec
