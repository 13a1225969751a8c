// The total order of candidates: by score, best first, then by flat index (parent beam * codebook + token), lowest first; as
// one 64-bit number, larger for what goes first. So that every implementation, on whatever machine, selects the same set.
//
// Zeros are one number, whatever their sign. A NaN goes behind -infinity, and all of them are one.
#pragma once

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define DECODER_FUNCTION __host__ __device__
#else
#define DECODER_FUNCTION
#endif

namespace decoder {

/// Order-preserving: a < b as scores exactly where ordered(a) < ordered(b). Never 0xffffffff.
[[nodiscard]] DECODER_FUNCTION constexpr std::uint32_t ordered(float score) noexcept
{
  if (score != score) return 0;
  const auto bits = std::bit_cast<std::uint32_t>(score);
  if ((bits << 1) == 0) return 0x80000000U;
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}

/// The score that ordered() made; a quiet NaN of 0.
[[nodiscard]] DECODER_FUNCTION constexpr float score_of_order(std::uint32_t order) noexcept
{
  if (order == 0) return std::bit_cast<float>(0x7fc00000U);
  return std::bit_cast<float>((order >> 31) != 0 ? order & 0x7fffffffU : ~order);
}

/// Never 0, which is a key below all of them: of no candidate. (A NaN with the last flat index, 2^32 - 1, would be 0: flat
/// indices stay below that.)
[[nodiscard]] DECODER_FUNCTION constexpr std::uint64_t key_of(float score, std::uint32_t flat) noexcept
{
  return std::uint64_t{ordered(score)} << 32 | static_cast<std::uint32_t>(~flat);
}
[[nodiscard]] DECODER_FUNCTION constexpr float score_of(std::uint64_t key) noexcept
{
  return score_of_order(static_cast<std::uint32_t>(key >> 32));
}
[[nodiscard]] DECODER_FUNCTION constexpr std::uint32_t flat_of(std::uint64_t key) noexcept
{
  return ~static_cast<std::uint32_t>(key);
}

}  // namespace decoder
