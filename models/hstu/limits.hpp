// What checks of configs and weights share: they throw kvstrata::config_error with the field, its value and its limit.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hstu {

inline void check_between(std::string_view field, std::uint32_t value, std::uint32_t least, std::uint32_t most)
{
  if (value < least) throw kvstrata::config_error(field, value, "it must be at least " + std::to_string(least));
  if (value > most) throw kvstrata::config_error(field, value, "it may be at most " + std::to_string(most));
}

inline void check_finite(std::string_view field, float value)
{
  if (!std::isfinite(value)) throw kvstrata::config_error(field, std::to_string(value), "it must be finite");
}

inline void check_positive(std::string_view field, float value)
{
  if (std::isfinite(value) && value > 0) return;
  throw kvstrata::config_error(field, std::to_string(value), "it must be above 0 and finite");
}

inline void check_layers(std::size_t layers, std::uint32_t wanted)
{
  if (layers == wanted) return;
  throw kvstrata::config_error("the number of layers among the weights", layers,
                               "the model's config asks for " + std::to_string(wanted));
}

/// Of a tensor with `floats` elements.
inline void check_size(std::string_view tensor, std::size_t floats, std::size_t rows, std::size_t columns)
{
  if (floats == rows * columns) return;
  throw kvstrata::config_error("the size of the tensor " + std::string(tensor), floats,
                               "the model's config asks for " + std::to_string(rows) + " x " + std::to_string(columns) +
                                   " = " + std::to_string(rows * columns));
}

}  // namespace hstu
