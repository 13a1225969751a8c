// From a rate and a gain to a level of the ring: linear in the logarithm of what an object is worth.
#pragma once

#include <kvstrata/replacement/locality/fast_exponential.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// log2 of what a hit saves by byte; 0 where that is not known.
[[nodiscard]] inline float gain_of(const object_info& info) noexcept
{
  const double saved = info.loss_seconds();
  if (!(saved > 0) || info.bytes == 0) return 0.0F;
  return binary_logarithm(
      static_cast<float>((std::min)((std::max)(saved / static_cast<double>(info.bytes), 1e-30), 1e30)));
}

/// level = present + (log2(rate) + gain - centre - usual) * slope. A look waits for one product and one sum of it.
class score_scale
{
 public:
  /// Levels for each halving of what an object is worth.
  void set_slope(float levels) noexcept
  {
    slope_ = levels;
    bit_slope_ = levels * octave_a_bit;
    set_offset();
  }
  /// The first 4096 gains say which is usual.
  void saw(float gain) noexcept
  {
    if (gains_ == 4096) return;
    centre_ += (gain - centre_) / static_cast<float>(++gains_);
    set_offset();
  }
  /// From 0 to `highest`. Rates and gains lie between 2^-130 and 2^130: no integer overflows.
  [[nodiscard]] std::uint32_t level(float rate, float gain, std::int32_t highest) const noexcept
  {
    const float rest = gain * slope_ + offset_;
    const auto above = static_cast<std::int32_t>(rough_logarithm_bits(rate) * bit_slope_ + rest);
    return static_cast<std::uint32_t>((std::min)((std::max)(above, 0), highest));
  }

 private:
  static constexpr float present = 1536;  // so many of the ring's levels lie below what is worth ...
  static constexpr float usual = -2;      // ... this, which is about what goes

  void set_offset() noexcept { offset_ = present - (centre_ + usual) * slope_; }

  float slope_ = 0;
  float bit_slope_ = 0;
  float offset_ = 0;
  float centre_ = 0;
  std::uint32_t gains_ = 0;
};

}  // namespace kvstrata::detail
