// What the decoder does with rows between products and attention: embeddings, norms, rotary positions, gates. A warp a row; limited
// by memory.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/normalise.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

using hstu::gpu::bf16;
using hstu::gpu::rows_of;
using hstu::gpu::vector_width;

/// residual[row] = table[tokens[row]].
struct embed_rows_kernel : hstu::gpu::row_kernel
{
  const bf16* table = nullptr;            ///< [...][width]
  const std::uint32_t* tokens = nullptr;  ///< [rows] rows of the table
  rows_of<float> residual;                ///< [rows][width]
  std::uint32_t width = 0;                ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    const bf16* const from = table + std::size_t{tokens[r]} * width;
    for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
      const auto read = hstu::gpu::load_vector<hstu::gpu::bf16x8>(from + at);
      for (std::uint32_t half = 0; half < vector_width; half += 4) {
        hstu::gpu::floatx4 out;
        for (std::uint32_t i = 0; i < 4; ++i) out.values[i] = element(read, half + i);
        hstu::gpu::store_vector(residual.row(r) + at + half, out);
      }
    }
  }
};

/// normal[row] = weight * residual[row] / sqrt(mean square of residual[row] + epsilon).
template <std::uint32_t Vectors>
struct rms_norm_kernel : hstu::gpu::row_kernel
{
  static constexpr std::uint32_t blocks_per_sm = Vectors > 8 ? 2 : Vectors > 4 ? 4 : 6;

  rows_of<const float> residual;  ///< [rows][width]
  rows_of<bf16> normal;           ///< [rows][width]
  const float* weight = nullptr;  ///< [width]
  std::uint32_t width = 0;        ///< a multiple of 8, at most Vectors * 256
  float epsilon = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    hstu::gpu::row_in_warp<Vectors> values(this->lane(block), width);
    values.load(residual.row(r));
    values.divide_by_root_mean_square(block, epsilon);
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      if (!values.has(v)) continue;
      float out[vector_width];
      HSTU_UNROLL
      for (std::uint32_t half = 0; half < vector_width; half += 4) {
        const auto times = hstu::gpu::load_vector<hstu::gpu::floatx4>(weight + values.at(v) + half);
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 4; ++i) out[half + i] = values.vector(v)[half + i] * times.values[i];
      }
      hstu::gpu::store_vector(normal.row(r) + values.at(v), hstu::gpu::pack_vector<Block>(out));
    }
  }
};

/// Of the projections Q, K, V of a row: Q turned by the row's position, in place; K turned and V as it is into the row's page.
struct turn_rows_kernel : hstu::gpu::row_kernel
{
  rows_of<bf16> projected;                ///< [rows][3 * heads * head_dim], columns Q, K, V
  const float* cosines = nullptr;         ///< [angles][head_dim / 2]
  const float* sines = nullptr;           ///< [angles][head_dim / 2]
  const std::uint32_t* angles = nullptr;  ///< [rows] which of them turn a row
  const std::uint64_t* slots = nullptr;   ///< [rows] bytes from page 0 of a layer to a row's key
  std::byte* base = nullptr;              ///< page 0 of the layer
  std::uint64_t value_offset = 0;         ///< bytes from a token's key to its value
  std::uint32_t heads = 0;
  std::uint32_t head_dim = 0;  ///< a multiple of 16
  bool keys_only = false;      ///< there is no Q

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    const std::uint32_t width = heads * head_dim;
    bf16* const queries = projected.row(r);
    const bf16* const keys = queries + width;
    const bf16* const values = keys + width;
    auto* const key_slot = reinterpret_cast<bf16*>(base + slots[r]);
    auto* const value_slot = reinterpret_cast<bf16*>(base + slots[r] + value_offset);
    const std::size_t first_angle = std::size_t{angles[r]} * (head_dim / 2);
    const std::uint32_t parts = head_dim / 2 / vector_width;  // of half a head
    for (std::uint32_t i = lane(block); i < heads * parts; i += 32) {
      const std::uint32_t pair = i % parts * vector_width;
      const std::uint32_t at = i / parts * head_dim + pair;
      if (!keys_only) turn<Block>(queries + at, queries + at, first_angle + pair);
      turn<Block>(key_slot + at, keys + at, first_angle + pair);
    }
    for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
      hstu::gpu::store_vector(value_slot + at, hstu::gpu::load_vector<hstu::gpu::bf16x8>(values + at));
    }
  }

 private:
  /// Eight pairs: an element and the one half a head behind it.
  template <class Block>
  HSTU_KERNEL void turn(bf16* to, const bf16* from, std::size_t angle) const
  {
    const std::uint32_t half = head_dim / 2;
    const auto x = hstu::gpu::load_vector<hstu::gpu::bf16x8>(from);
    const auto y = hstu::gpu::load_vector<hstu::gpu::bf16x8>(from + half);
    float turned_x[vector_width], turned_y[vector_width];
    HSTU_UNROLL
    for (std::uint32_t quarter = 0; quarter < vector_width; quarter += 4) {
      const auto cosine = hstu::gpu::load_vector<hstu::gpu::floatx4>(cosines + angle + quarter);
      const auto sine = hstu::gpu::load_vector<hstu::gpu::floatx4>(sines + angle + quarter);
      HSTU_UNROLL
      for (std::uint32_t i = 0; i < 4; ++i) {
        const float a = element(x, quarter + i), b = element(y, quarter + i);
        turned_x[quarter + i] = a * cosine.values[i] - b * sine.values[i];
        turned_y[quarter + i] = a * sine.values[i] + b * cosine.values[i];
      }
    }
    hstu::gpu::store_vector(to, hstu::gpu::pack_vector<Block>(turned_x));
    hstu::gpu::store_vector(to + half, hstu::gpu::pack_vector<Block>(turned_y));
  }
};

/// activated[row] = silu(gate) * up, gate and up being the two halves of gates[row].
struct gate_rows_kernel : hstu::gpu::row_kernel
{
  rows_of<const bf16> gates;  ///< [rows][2 * width]
  rows_of<bf16> activated;    ///< [rows][width]
  std::uint32_t width = 0;    ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
      const auto gate = hstu::gpu::load_vector<hstu::gpu::bf16x8>(gates.row(r) + at);
      const auto up = hstu::gpu::load_vector<hstu::gpu::bf16x8>(gates.row(r) + width + at);
      float out[vector_width];
      for (std::uint32_t i = 0; i < vector_width; ++i) out[i] = Block::silu(element(gate, i)) * element(up, i);
      hstu::gpu::store_vector(activated.row(r) + at, hstu::gpu::pack_vector<Block>(out));
    }
  }
};

}  // namespace decoder::gpu
