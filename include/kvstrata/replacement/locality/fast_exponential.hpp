// Powers and logarithms to base 2 for scores: a few instructions each.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// 2^-x for x >= 0, by a table: right to 0.3 %; 0 from x = 16 on. 12 KiB.
class halving_table
{
 public:
  static constexpr std::uint32_t steps = 128;  ///< a halving

  halving_table()
  {
    for (std::size_t i = 0; i < last; ++i) {
      const float x = i == 0 ? 0.0F : (static_cast<float>(i) + 0.5F) / float{steps};
      real_[i] = std::exp2(-x);
      whole_[i] = static_cast<std::uint16_t>(32768.0F * real_[i] + 0.5F);
    }
  }
  /// For x = step / steps, whatever is left of a step not being told.
  [[nodiscard]] float operator()(std::uint64_t step) const noexcept
  {
    return real_[(std::min)(step, std::uint64_t{last})];
  }
  /// In 32768ths, to a half.
  [[nodiscard]] std::uint32_t whole(std::uint64_t step) const noexcept
  {
    return whole_[(std::min)(step, std::uint64_t{last})];
  }

 private:
  static constexpr std::uint32_t last = 16 * steps;
  std::array<float, last + 1> real_{};
  std::array<std::uint16_t, last + 1> whole_{};
};

/// log2 of a positive, finite, normal number.
[[nodiscard]] constexpr float binary_logarithm(float x) noexcept
{
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23U) - 127);
  const float m = std::bit_cast<float>((bits & 0x007fffffU) | 0x3f800000U) - 1.0F;  // mantissa, from 0 to 1
  return exponent + m * (1.4387258F + m * (-0.6777785F + m * (0.3218536F + m * -0.0828009F)));
}

/// The same, but straight between powers of two: up to 0.086 too low, and rising like it. In parts of an octave ...
[[nodiscard]] constexpr float rough_logarithm_bits(float x) noexcept
{
  return static_cast<float>(std::bit_cast<std::int32_t>(x) - (127 << 23));
}
inline constexpr float octave_a_bit = 1.0F / (1 << 23);  ///< ... of this size
[[nodiscard]] constexpr float rough_logarithm(float x) noexcept { return rough_logarithm_bits(x) * octave_a_bit; }

/// A number's logarithm in a byte: 16 codes an octave, evenly spaced within it. From 0 for 0 to 255 for 65,000 and more.
[[nodiscard]] constexpr std::uint8_t octave_code(std::uint64_t number) noexcept
{
  const auto counted = static_cast<std::int64_t>((std::min)(number, std::uint64_t{1} << 32U));
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(counted) + 1.0F);
  return static_cast<std::uint8_t>((std::min)((bits >> 19U) - (127U << 4U), 255U));
}
/// The middle of what has this code.
[[nodiscard]] constexpr float octave_decoded(std::uint8_t code) noexcept
{
  if (code == 0) return 0.0F;
  return std::bit_cast<float>((std::uint32_t{code} << 19U) + (127U << 23U) + (1U << 18U)) - 1.0F;
}

}  // namespace kvstrata::detail
