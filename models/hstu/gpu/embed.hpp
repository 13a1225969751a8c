// The first residual: a token's row of the item or action table plus its position's row.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

namespace hstu::gpu {

/// Which row of which table a token is embedded by: an item's, or with this bit an action's.
inline constexpr std::uint32_t action_token = 1u << 31;

/// residual[row] = table[token] + position[p], for the rows [first_row, last_row). A warp a row, 16 bytes a load; each
/// thread has eight loads on their way. Limited by memory: it reads 4 and writes 4 bytes an element.
struct embed_kernel : row_kernel
{
  const bf16* items = nullptr;               ///< [...][hidden]
  const bf16* actions = nullptr;             ///< [...][hidden]
  const bf16* position_rows = nullptr;       ///< [max_tokens + 1][hidden]
  const std::uint32_t* tokens = nullptr;     ///< [rows] see action_token
  const std::uint32_t* positions = nullptr;  ///< [rows] rows of position_rows
  rows_of<float> residual;                   ///< [rows][hidden]
  std::uint32_t hidden = 0;                  ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    const std::uint32_t token = tokens[r];
    const bf16* table = (token & action_token) != 0 ? actions : items;
    const bf16* what = table + std::size_t{token & ~action_token} * hidden;
    const bf16* where = position_rows + std::size_t{positions[r]} * hidden;
    float* to = residual.row(r);
    constexpr std::uint32_t step = 32 * vector_width;
    std::uint32_t at = lane(block) * vector_width;
    for (; at + (unrolled - 1) * step < hidden; at += unrolled * step) add<unrolled>(to + at, what + at, where + at);
    for (; at < hidden; at += step) add<1>(to + at, what + at, where + at);
  }

 private:
  static constexpr std::uint32_t unrolled = 4;

  template <std::uint32_t Count>
  HSTU_FUNCTION static void add(float* to, const bf16* what, const bf16* where)
  {
    bf16x8 a[Count];
    bf16x8 b[Count];
    for (std::uint32_t v = 0; v < Count; ++v) {
      a[v] = load_vector<bf16x8>(what + v * 32 * vector_width);
      b[v] = load_vector<bf16x8>(where + v * 32 * vector_width);
    }
    for (std::uint32_t v = 0; v < Count; ++v) {
      for (std::uint32_t half = 0; half < 2; ++half) {
        floatx4 sum;
        for (std::uint32_t i = 0; i < 4; ++i) sum.values[i] = element(a[v], half * 4 + i) + element(b[v], half * 4 + i);
        store_vector(to + v * 32 * vector_width + half * 4, sum);
      }
    }
  }
};

}  // namespace hstu::gpu
