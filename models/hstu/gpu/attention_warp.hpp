// What a warp does with a tile of keys: scores, SiLU, mask, sums. All of it is in registers but for the operands, which
// lie in shared memory as attention_tiles.hpp has it.
#pragma once

#include "hstu/gpu/attention_silu.hpp"
#include "hstu/gpu/attention_tiles.hpp"
#include "hstu/gpu/function.hpp"

#include <cstddef>
#include <cstdint>

namespace hstu::gpu {

/// What a lane has of a warp's [Rows][tile_keys] and [Rows][HeadDim]: fragments of 16 x 8 as multiply_add leaves them.
/// Of 16 rows, [0] and [1] are in row lane / 4, [2] and [3] in row lane / 4 + 8.
template <std::uint32_t Rows>
using score_tile = float[Rows / 16][tile_keys / 8][4];
template <std::uint32_t Rows, std::uint32_t HeadDim>
using sum_tile = float[Rows / 16][HeadDim / 8][4];
/// The scores again, in bf16, as left operands.
template <std::uint32_t Rows>
using weight_tile = std::uint32_t[Rows / 16][tile_keys / 16][4];

/// scores += Q K^T for the warp's rows.
template <std::uint32_t HeadDim, std::uint32_t Rows, class Block>
HSTU_KERNEL inline void multiply_keys(Block& block, score_tile<Rows>& scores, const std::byte* queries,
                                      std::uint32_t warp_first, const std::byte* keys)
{
  const std::uint32_t lane = block.thread() % 32;
  const auto left = tile_reader<HeadDim>::left(lane);
  const auto right = tile_reader<HeadDim>::keys(lane);
  queries += warp_first * tile_layout<HeadDim>::row_bytes;
  HSTU_UNROLL
  for (std::uint32_t step = 0; step < HeadDim / 16; ++step) {
    std::uint32_t a[Rows / 16][4];
    HSTU_UNROLL
    for (std::uint32_t m = 0; m < Rows / 16; ++m) block.load_matrices(a[m], left(queries, 16 * m, step));
    HSTU_UNROLL
    for (std::uint32_t n = 0; n < tile_keys / 16; ++n) {
      std::uint32_t b[4];
      block.load_matrices(b, right(keys, 16 * n, step));
      const std::uint32_t low[2] = {b[0], b[1]};
      const std::uint32_t high[2] = {b[2], b[3]};
      HSTU_UNROLL
      for (std::uint32_t m = 0; m < Rows / 16; ++m) {
        block.multiply_add(scores[m][2 * n], a[m], low);
        block.multiply_add(scores[m][2 * n + 1], a[m], high);
      }
    }
  }
}

template <class Block, std::uint32_t Rows>
HSTU_KERNEL inline void apply_silu(score_tile<Rows>& scores)
{
  HSTU_UNROLL
  for (std::uint32_t m = 0; m < Rows / 16; ++m) {
    HSTU_UNROLL
    for (std::uint32_t j = 0; j < tile_keys / 8; j += 2) {
      HSTU_UNROLL
      for (std::uint32_t i = 0; i < 4; i += 2) {  // four of one row
        silu_four<Block>(scores[m][j][i], scores[m][j][i + 1], scores[m][j + 1][i], scores[m][j + 1][i + 1]);
      }
    }
  }
}

/// Keys that a row does not see weigh nothing. `rows` are the warp's.
template <std::uint32_t Rows>
HSTU_KERNEL inline void hide_unseen(score_tile<Rows>& weights, const shared_row* rows, std::uint32_t first,
                                    std::uint32_t lane)
{
  HSTU_UNROLL
  for (std::uint32_t r = 0; r < Rows / 8; ++r) {
    const std::uint32_t seen = rows[8 * r + lane / 4].seen();
    HSTU_UNROLL
    for (std::uint32_t j = 0; j < tile_keys / 8; ++j) {
      HSTU_UNROLL
      for (std::uint32_t i = 0; i < 2; ++i) {
        float& weight = weights[r / 2][j][r % 2 * 2 + i];
        weight = first + 8 * j + 2 * (lane % 4) + i < seen ? weight : 0.0f;
      }
    }
  }
}

/// Results of multiply_add become left operands of the next.
template <class Block, std::uint32_t Rows>
HSTU_KERNEL inline void round_weights(weight_tile<Rows>& to, const score_tile<Rows>& from)
{
  HSTU_UNROLL
  for (std::uint32_t m = 0; m < Rows / 16; ++m) {
    HSTU_UNROLL
    for (std::uint32_t k = 0; k < tile_keys / 16; ++k) {
      to[m][k][0] = Block::pack(from[m][2 * k][0], from[m][2 * k][1]);
      to[m][k][1] = Block::pack(from[m][2 * k][2], from[m][2 * k][3]);
      to[m][k][2] = Block::pack(from[m][2 * k + 1][0], from[m][2 * k + 1][1]);
      to[m][k][3] = Block::pack(from[m][2 * k + 1][2], from[m][2 * k + 1][3]);
    }
  }
}

/// sums += P V for the warp's rows.
template <std::uint32_t HeadDim, std::uint32_t Rows, class Block>
HSTU_KERNEL inline void multiply_values(Block& block, sum_tile<Rows, HeadDim>& sums, const weight_tile<Rows>& weights,
                                        const std::byte* values)
{
  const auto right = tile_reader<HeadDim>::values(block.thread() % 32);
  HSTU_UNROLL
  for (std::uint32_t k = 0; k < tile_keys / 16; ++k) {
    HSTU_UNROLL
    for (std::uint32_t n = 0; n < HeadDim / 16; ++n) {
      std::uint32_t b[4];
      block.load_matrices_transposed(b, right(values, 16 * k, n));
      const std::uint32_t low[2] = {b[0], b[1]};
      const std::uint32_t high[2] = {b[2], b[3]};
      HSTU_UNROLL
      for (std::uint32_t m = 0; m < Rows / 16; ++m) {
        block.multiply_add(sums[m][2 * n], weights[m][k], low);
        block.multiply_add(sums[m][2 * n + 1], weights[m][k], high);
      }
    }
  }
}

}  // namespace hstu::gpu
