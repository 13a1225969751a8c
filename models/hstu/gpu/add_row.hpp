// One row added to many: the bias of a layer's output projection.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

namespace hstu::gpu {

/// residual[row] += bias, for the rows [first_row, last_row). A warp a row. Limited by memory: 8 bytes an element.
struct add_row_kernel : row_kernel
{
  rows_of<float> residual;      ///< [rows][width]
  const float* bias = nullptr;  ///< [width]
  std::uint32_t width = 0;      ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    float* const to = residual.row(r);
    for (std::uint32_t at = lane(block) * 4; at < width; at += 32 * 4) {
      floatx4 sum = load_vector<floatx4>(to + at);
      const auto add = load_vector<floatx4>(bias + at);
      for (std::uint32_t i = 0; i < 4; ++i) sum.values[i] += add.values[i];
      store_vector(to + at, sum);
    }
  }
};

}  // namespace hstu::gpu
