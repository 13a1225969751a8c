// The last step of the head: scores out of the inner layer.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

namespace hstu::gpu {

/// scores[row][t] = sum over i of silu(inner[row][i]) * by_task[t][i]. A warp a row, a few tasks at a time; the few
/// rows of by_task stay in the caches. A matrix product of so few columns would use a sixteenth of a tensor core.
struct score_kernel : row_kernel
{
  rows_of<const bf16> inner;      ///< [rows][hidden]
  const bf16* by_task = nullptr;  ///< [tasks][hidden]
  float* scores = nullptr;        ///< [rows][tasks]
  std::uint32_t hidden = 0;       ///< a multiple of 8
  std::uint32_t tasks = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    for (std::uint32_t first = 0; first < tasks; first += at_once) {
      float sums[at_once] = {};
      for (std::uint32_t at = lane(block) * vector_width; at < hidden; at += 32 * vector_width) {
        const bf16x8 read = load_vector<bf16x8>(inner.row(r) + at);
        bf16x8 weights[at_once];
        for (std::uint32_t t = 0; t < at_once; ++t) {
          const std::uint32_t task = first + t < tasks ? first + t : tasks - 1;
          weights[t] = load_vector<bf16x8>(by_task + std::size_t{task} * hidden + at);
        }
        for (std::uint32_t i = 0; i < vector_width; ++i) {
          const float active = Block::silu(element(read, i));
          for (std::uint32_t t = 0; t < at_once; ++t) sums[t] += active * element(weights[t], i);
        }
      }
      for (std::uint32_t t = 0; t < at_once; ++t) {
        const float sum = sum_of_warp(block, sums[t]);
        if (lane(block) == 0 && first + t < tasks) scores[std::size_t{r} * tasks + first + t] = sum;
      }
    }
  }

 private:
  static constexpr std::uint32_t at_once = 4;
};

}  // namespace hstu::gpu
