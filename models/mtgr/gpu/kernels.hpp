// What MTGR does with rows between the products that HSTU does not: norms by group, the two layers that make tokens, towers.
// A warp a row; limited by memory.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/normalise.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"
#include "mtgr/config.hpp"

#include <cstddef>
#include <cstdint>

namespace mtgr::gpu {

using hstu::gpu::bf16;
using hstu::gpu::rows_of;
using hstu::gpu::vector_width;

/// Gain and bias of a norm for each domain of rows, which lie one behind the other.
struct row_groups
{
  std::uint32_t ends[domains - 1] = {};  ///< where the rows of all but the last domain end
  const float* gain = nullptr;           ///< [domains][width]
  const float* bias = nullptr;           ///< [domains][width]

  [[nodiscard]] HSTU_FUNCTION std::size_t group_of(std::uint32_t row) const
  {
    return (row >= ends[0] ? 1u : 0u) + (row >= ends[1] ? 1u : 0u) + (row >= ends[2] ? 1u : 0u);
  }
};

namespace detail {

/// Eight of a normalised row with gain and bias, rounded.
template <class Block>
[[nodiscard]] HSTU_KERNEL inline hstu::gpu::bf16x8 grouped(const float* values, const float* gain, const float* bias)
{
  float out[vector_width];
  HSTU_UNROLL
  for (std::uint32_t half = 0; half < vector_width; half += 4) {
    const auto times = hstu::gpu::load_vector<hstu::gpu::floatx4>(gain + half);
    const auto plus = hstu::gpu::load_vector<hstu::gpu::floatx4>(bias + half);
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i) out[half + i] = values[half + i] * times.values[i] + plus.values[i];
  }
  return hstu::gpu::pack_vector<Block>(out);
}

/// to = group norm(values), of a row. Collective.
template <class Block, std::uint32_t Vectors>
HSTU_KERNEL inline void store_group_norm(Block& block, hstu::gpu::row_in_warp<Vectors>& values,
                                         const row_groups& groups, std::uint32_t row, std::uint32_t width,
                                         float epsilon, bf16* to)
{
  values.normalise(block, epsilon);
  const std::size_t group = groups.group_of(row) * width;
  for (std::uint32_t v = 0; v < Vectors; ++v) {
    if (!values.has(v)) continue;
    const std::size_t at = group + values.at(v);
    hstu::gpu::store_vector(to + values.at(v), grouped<Block>(values.vector(v), groups.gain + at, groups.bias + at));
  }
}

}  // namespace detail

/// normal[row] = group norm(residual[row]), for the rows [first_row, last_row).
template <std::uint32_t Vectors>
struct group_normalise_kernel : hstu::gpu::row_kernel
{
  static constexpr std::uint32_t blocks_per_sm = Vectors > 8 ? 2 : Vectors > 4 ? 4 : 6;

  rows_of<const float> residual;  ///< [rows][width]
  rows_of<bf16> normal;           ///< [rows][width]
  row_groups groups;
  std::uint32_t width = 0;  ///< a multiple of 8, at most Vectors * 256
  float epsilon = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    hstu::gpu::row_in_warp<Vectors> values(this->lane(block), width);
    values.load(residual.row(r));
    detail::store_group_norm(block, values, groups, r, width, epsilon, normal.row(r));
  }
};

/// attended[row] = group norm(attended[row] * gate[row]), in place, for the rows [first_row, last_row).
template <std::uint32_t Vectors>
struct group_gate_kernel : hstu::gpu::row_kernel
{
  static constexpr std::uint32_t blocks_per_sm = Vectors > 8 ? 2 : Vectors > 4 ? 4 : 6;

  rows_of<bf16> attended;    ///< [rows][width]
  rows_of<const bf16> gate;  ///< [rows][width]
  row_groups groups;
  std::uint32_t width = 0;  ///< a multiple of 8, at most Vectors * 256
  float epsilon = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    hstu::gpu::row_in_warp<Vectors> values(this->lane(block), width);
    values.load(static_cast<const bf16*>(attended.row(r)));
    values.multiply(gate.row(r));
    detail::store_group_norm(block, values, groups, r, width, epsilon, attended.row(r));
  }
};

/// inner[row] = silu(inner[row] + bias), in place, for the rows [first_row, last_row): between the two layers that make a
/// token. Where bias_rows is there, each row has a bias of its own.
struct token_kernel : hstu::gpu::row_kernel
{
  rows_of<bf16> inner;                       ///< [rows][width]
  const float* bias = nullptr;               ///< [width] or [...][width]
  const std::uint32_t* bias_rows = nullptr;  ///< [rows] or null
  std::uint32_t width = 0;                   ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    const float* const add = bias + (bias_rows == nullptr ? 0 : std::size_t{bias_rows[r]} * width);
    for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
      const auto read = hstu::gpu::load_vector<hstu::gpu::bf16x8>(inner.row(r) + at);
      float out[vector_width];
      for (std::uint32_t i = 0; i < vector_width; ++i) out[i] = Block::silu(element(read, i) + add[at + i]);
      hstu::gpu::store_vector(inner.row(r) + at, hstu::gpu::pack_vector<Block>(out));
    }
  }
};

/// logits[row][t] = silu(towers[row][t] + bias[t]) . out[t] + out_bias[t].
struct tower_kernel : hstu::gpu::row_kernel
{
  rows_of<const bf16> towers;       ///< [rows][tasks * width]
  const float* bias = nullptr;      ///< [tasks * width]
  const bf16* out = nullptr;        ///< [tasks][width]
  const float* out_bias = nullptr;  ///< [tasks]
  float* logits = nullptr;          ///< [rows][tasks]
  std::uint32_t width = 0;          ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    for (std::uint32_t t = 0; t < tasks; ++t) {
      float sum = 0;
      for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
        const auto read = hstu::gpu::load_vector<hstu::gpu::bf16x8>(towers.row(r) + t * width + at);
        const auto times = hstu::gpu::load_vector<hstu::gpu::bf16x8>(out + t * width + at);
        for (std::uint32_t i = 0; i < vector_width; ++i) {
          sum += Block::silu(element(read, i) + bias[t * width + at + i]) * element(times, i);
        }
      }
      sum = sum_of_warp(block, sum);
      if (lane(block) == 0) logits[std::size_t{r} * tasks + t] = sum + out_bias[t];
    }
  }
};

}  // namespace mtgr::gpu
