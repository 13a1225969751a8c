// What the codecs that make equal steps of values, int8 and int4, are told, and how far they reach.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// The least value of SiLU, -0.27846, as bf16 rounds it: no value in f32, f16 or bf16 lies below.
inline constexpr float silu_minimum = -0.279296875F;

/// Largest magnitude, or reach above the minimum, that is encoded.
inline constexpr float farthest_step = 0x1p120F;
/// Least scale.
inline constexpr float least_scale = 0x1p-120F;

struct step_config
{
  /// Of the activation that K and V come out of (silu_minimum); empty: symmetric.
  std::optional<float> minimum{};

  /// That, or 0. Throws config_error, in the name of the codec, where it is beyond farthest_step.
  [[nodiscard]] float zero(std::string_view codec) const
  {
    const float zero = minimum.value_or(0);
    if (!(std::fabs(zero) <= farthest_step)) {
      throw config_error(std::string(codec) + ".minimum", std::to_string(zero),
                         "it must be finite and at most 2^120 from 0");
    }
    return zero;
  }
};

}  // namespace kvstrata::codec
