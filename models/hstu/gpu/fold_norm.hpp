// The weight and bias of a layer's input norm, put into its projection: (w n + b) P + p = n (w P) + (b P + p). On a device the
// norm is then the same for every model.
#pragma once

#include "hstu/weights.hpp"

#include <cstddef>
#include <vector>

namespace hstu::gpu {

/// Sums are in double precision. Leaves input_norm_weight and input_norm_bias empty.
inline void fold_input_norm(const config& c, layer_weights& layer)
{
  const std::size_t columns = 4 * width_of(c);
  if (!layer.input_norm_bias.empty()) {
    std::vector<double> sums(layer.project_bias.begin(), layer.project_bias.end());
    sums.resize(columns);
    for (std::size_t i = 0; i < c.hidden; ++i) {
      const float* const row = layer.project.data() + i * columns;
      for (std::size_t j = 0; j < columns; ++j) {
        sums[j] += static_cast<double>(layer.input_norm_bias[i]) * static_cast<double>(row[j]);
      }
    }
    layer.project_bias.assign(columns, 0.0f);
    for (std::size_t j = 0; j < columns; ++j) layer.project_bias[j] = static_cast<float>(sums[j]);
  }
  if (!layer.input_norm_weight.empty()) {
    for (std::size_t i = 0; i < c.hidden; ++i) {
      float* const row = layer.project.data() + i * columns;
      for (std::size_t j = 0; j < columns; ++j) row[j] *= layer.input_norm_weight[i];
    }
  }
  layer.input_norm_weight.clear();
  layer.input_norm_bias.clear();
}

}  // namespace hstu::gpu
