// Powers and logarithms to base 2 for scores: a few instructions each.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvstrata::detail {

/// 2^-x for x >= 0, by a table: right to 0.6 %; 0 from x = 24 on. 6 KiB.
class halving_table
{
 public:
  halving_table()
  {
    for (std::size_t i = 0; i + 1 < values_.size(); ++i) {
      values_[i] = std::exp2(-(static_cast<float>(i) + 0.5F) / static_cast<float>(steps));
    }
    values_[0] = 1.0F;
  }
  [[nodiscard]] float operator()(float x) const noexcept
  {
    const float step = (std::min)(x * static_cast<float>(steps), static_cast<float>(octaves * steps));
    return values_[static_cast<std::size_t>(static_cast<std::int32_t>(step))];
  }

 private:
  static constexpr std::int32_t steps = 64;
  static constexpr std::int32_t octaves = 24;
  std::array<float, std::size_t{octaves} * steps + 1> values_{};
};

/// log2 of a positive, finite, normal number.
[[nodiscard]] constexpr float binary_logarithm(float x) noexcept
{
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23U) - 127);
  const float m = std::bit_cast<float>((bits & 0x007fffffU) | 0x3f800000U) - 1.0F;  // mantissa, from 0 to 1
  return exponent + m * (1.4387258F + m * (-0.6777785F + m * (0.3218536F + m * -0.0828009F)));
}

}  // namespace kvstrata::detail
