// The online softmax over tiles of keys, wherever these come from: for those who attend to a context on the CPU.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/loops/loops.hpp"

#include "hstu/matmul.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace decoder {

inline constexpr std::uint32_t keys_of_tile = 256;
inline constexpr std::size_t queries_of_tile = 256;  ///< their products with a tile of keys stay in the L2 cache

/// The states of rows, one head of each, over the keys [first_key, seen[row]); seen must ascend. gather(keys, values, first, count)
/// brings K and V of so many keys, [count][dim] each. Returns the bytes of K and V that were read.
///
/// Outputs are kept times 2^most of their row until the last tile.
template <class Gather>
std::uint64_t attend_tiles(const query_rows& queries, std::span<const std::uint32_t> seen, std::uint32_t first_key,
                           std::uint32_t head_dim, Gather&& gather, const state_rows& to, stage_scratch& scratch)
{
  constexpr float nothing = state::lse_of_nothing;
  const loops& l = best_loops();
  const std::size_t dim = head_dim;
  const float scale = score_scale(head_dim);
  float* const keys = scratch.keys.reserve(keys_of_tile * dim);
  float* const values = scratch.values.reserve(keys_of_tile * dim);
  float* const products = scratch.products.reserve(queries_of_tile * keys_of_tile);
  float* const most = scratch.most.reserve(queries.rows);
  float* const sum = scratch.sum.reserve(queries.rows);
  for (std::size_t row = 0; row < queries.rows; ++row) {
    to[row].clear(dim);
    most[row] = nothing;
    sum[row] = 0;
  }
  std::uint64_t read = 0;
  const std::uint32_t end = queries.rows == 0 ? 0 : seen[queries.rows - 1];
  std::size_t begin = 0;  // rows in front of it see nothing more
  for (std::uint32_t first = first_key; first < end; first += keys_of_tile) {
    const std::uint32_t count = (std::min)(keys_of_tile, end - first);
    while (seen[begin] <= first) ++begin;
    gather(keys, values, first, count);
    read += 2 * count * dim * sizeof(float);
    for (std::size_t from = begin; from < queries.rows; from += queries_of_tile) {
      const std::size_t rows = (std::min)(queries_of_tile, queries.rows - from);
      hstu::multiply_transposed(rows, count, dim, {queries.data + from * queries.stride, queries.stride}, {keys, dim},
                                {products, keys_of_tile});
      for (std::size_t i = 0; i < rows; ++i) {
        float* const scores = products + i * keys_of_tile;
        const std::size_t row = from + i;
        const std::uint32_t visible = (std::min)(count, seen[row] - first);
        const float best = (std::max)(most[row], scale * l.largest(scores, visible));
        const float keep = most[row] == nothing ? 0.0f : std::exp2(most[row] - best);
        sum[row] = sum[row] * keep + l.exp2(scores, scale, best, visible);
        std::fill(scores + visible, scores + count, 0.0f);
        if (keep != 1.0f) l.scale(to[row].o, keep, dim);
        most[row] = best;
      }
      hstu::multiply(rows, dim, count, {products, keys_of_tile}, {values, dim},
                     {to.o + from * to.o_stride, to.o_stride}, hstu::store::add);
    }
  }
  for (std::size_t row = 0; row < queries.rows; ++row) {
    if (most[row] == nothing) continue;
    l.scale(to[row].o, 1.0f / sum[row], dim);
    *to[row].lse = most[row] + std::log2(sum[row]);
  }
  return read;
}

/// received[k - first_key] += the weights that all rows give key k, of rows whose states `lse` attend_tiles left; once more over the
/// same keys. gather as there; values are not looked at.
template <class Gather>
void add_received(const query_rows& queries, std::span<const std::uint32_t> seen, std::uint32_t first_key,
                  std::uint32_t head_dim, Gather&& gather, const float* lse, float* received, stage_scratch& scratch)
{
  const loops& l = best_loops();
  const std::size_t dim = head_dim;
  const float scale = score_scale(head_dim);
  float* const keys = scratch.keys.reserve(keys_of_tile * dim);
  float* const values = scratch.values.reserve(keys_of_tile * dim);
  float* const products = scratch.products.reserve(queries_of_tile * keys_of_tile);
  const std::uint32_t end = queries.rows == 0 ? 0 : seen[queries.rows - 1];
  std::size_t begin = 0;
  for (std::uint32_t first = first_key; first < end; first += keys_of_tile) {
    const std::uint32_t count = (std::min)(keys_of_tile, end - first);
    while (seen[begin] <= first) ++begin;
    gather(keys, values, first, count);
    for (std::size_t from = begin; from < queries.rows; from += queries_of_tile) {
      const std::size_t rows = (std::min)(queries_of_tile, queries.rows - from);
      hstu::multiply_transposed(rows, count, dim, {queries.data + from * queries.stride, queries.stride}, {keys, dim},
                                {products, keys_of_tile});
      for (std::size_t i = 0; i < rows; ++i) {
        float* const scores = products + i * keys_of_tile;
        const std::uint32_t visible = (std::min)(count, seen[from + i] - first);
        l.exp2(scores, scale, lse[from + i], visible);
        l.add_scaled(received + (first - first_key), scores, 1.0f, visible);
      }
    }
  }
}

}  // namespace decoder
