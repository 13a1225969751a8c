// The shared stage on a device: beams of a request against their prompt, on tensor cores. Online softmax after
// FlashAttention-2 (Dao, arXiv 2307.08691). Every beam sees all of its prompt; of the prompt's own tokens, which go through
// the same, each what is not behind it.
#pragma once

#include "decoder/gpu/stages.hpp"

#include "hstu/gpu/function.hpp"
#include "hstu/gpu/vectors.hpp"

#include <kvstrata/attention/softmax_state.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

/// A block takes 64 rows of one request and one head through the prompt, 64 tokens at a time, while the next 64 are on their
/// way into shared memory; a warp has 16 rows. Leaves o and lse, or outputs where no stage follows. The prompt is read once for every
/// 64 rows, from the L2 cache where several tiles of a request run at once.
template <std::uint32_t HeadDim>
struct shared_stage_kernel
{
  static_assert(HeadDim % 16 == 0);
  static constexpr std::uint32_t threads = 128;
  static constexpr std::uint32_t blocks_per_sm = 2;

  stage_arguments a;

  [[nodiscard]] HSTU_FUNCTION std::uint32_t blocks() const noexcept { return a.tile_count * a.heads; }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t shared_bytes() const noexcept { return 5 * tile_bytes; }

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const stage_tile tile = a.tiles[block.index() / a.heads];
    const std::uint32_t head = block.index() % a.heads;
    const std::uint32_t lane = block.thread() % 32;
    const std::uint32_t warp_row = block.thread() / 32 * 16;
    std::byte* const queries = block.shared();

    for (std::uint32_t i = block.thread(); i < keys_of_tile * parts; i += threads) {
      const std::uint32_t row = i / parts;
      const bool whole = row < tile.rows;
      const bf16* const from = a.queries + (tile.first_row + (whole ? row : 0)) * a.query_stride + head * HeadDim;
      block.copy_async(queries + place(row, i % parts * 8), from + i % parts * 8, whole);
    }
    if (tile.first_token < tile.tokens) fetch(block, tile, head, tile.first_token, 0);
    block.commit_copies();

    float sums[HeadDim / 8][4] = {};
    float most[2] = {nothing(), nothing()};  // of rows g and g + 8
    float total[2] = {0, 0};                 // of this lane's columns
    const std::uint32_t ends[2] = {end_of(tile, warp_row + lane / 4), end_of(tile, warp_row + lane / 4 + 8)};
    std::uint32_t stage = 0;
    for (std::uint32_t first = tile.first_token; first < tile.tokens; first += keys_of_tile, stage ^= 1) {
      block.template wait_copies<0>();
      block.sync();  // all is there, and nobody reads the other stage any more
      if (tile.tokens - first > keys_of_tile) fetch(block, tile, head, first + keys_of_tile, stage ^ 1);
      block.commit_copies();
      const std::byte* const keys = queries + (1 + 2 * stage) * tile_bytes;
      const std::uint32_t left[2] = {ends[0] > first ? ends[0] - first : 0, ends[1] > first ? ends[1] - first : 0};
      step(block, queries, keys, keys + tile_bytes, warp_row, lane, left, sums, most, total);
    }
    block.template wait_copies<0>();

    const std::uint32_t g = lane / 4;
    float before[2] = {nothing(), nothing()};
    if (a.continues) {
      for (std::uint32_t half = 0; half < 2; ++half) {
        const std::uint32_t row = warp_row + g + 8 * half;
        if (row < tile.rows) before[half] = a.lse[std::uint64_t{tile.first_row + row} * a.heads + head];
      }
      block.sync_warp();  // four lanes have read what one of them writes
    }
    for (std::uint32_t half = 0; half < 2; ++half) {
      float sum = total[half];
      sum += block.shuffle_xor(sum, 1);
      sum += block.shuffle_xor(sum, 2);
      const std::uint32_t row = warp_row + g + 8 * half;
      if (row >= tile.rows) continue;
      const float factor = sum > 0 ? Block::reciprocal(sum) : 0.0f;
      const std::uint64_t at = std::uint64_t{tile.first_row + row} * a.heads + head;
      float mine[HeadDim / 4];
      HSTU_UNROLL
      for (std::uint32_t d = 0; d < HeadDim / 8; ++d) {
        mine[2 * d] = factor * sums[d][2 * half];
        mine[2 * d + 1] = factor * sums[d][2 * half + 1];
      }
      float lse = sum > 0 ? most[half] + ::log2f(sum) : nothing();
      if (a.continues) {
        float other[HeadDim / 4];
        HSTU_UNROLL
        for (std::uint32_t d = 0; d < HeadDim / 8; ++d) {
          const auto read = hstu::gpu::load_vector<hstu::gpu::floatx2>(a.o + column(at, d, lane));
          other[2 * d] = read.values[0];
          other[2 * d + 1] = read.values[1];
        }
        state{mine, &lse}.merge({other, &before[half]}, HeadDim / 4);
      }
      HSTU_UNROLL
      for (std::uint32_t d = 0; d < HeadDim / 8; ++d) {
        const std::uint64_t to = column(at, d, lane);
        if (a.last) {
          hstu::gpu::store_vector(a.outputs + to, hstu::gpu::bf16x2{Block::pack(mine[2 * d], mine[2 * d + 1])});
        } else {
          hstu::gpu::store_vector(a.o + to, hstu::gpu::floatx2{{mine[2 * d], mine[2 * d + 1]}});
        }
      }
      if (!a.last && lane % 4 == 0) a.lse[at] = lse;
    }
  }

 private:
  using state = kvstrata::softmax_state<kvstrata::log_base::two>;
  static constexpr std::uint32_t keys_of_tile = rows_of_tile;
  static constexpr std::uint32_t parts = HeadDim / 8;            // of 16 bytes, of a row
  static constexpr std::uint32_t row_bytes = (HeadDim + 8) * 2;  // rows lie in different banks
  static constexpr std::uint32_t tile_bytes = keys_of_tile * row_bytes;

  [[nodiscard]] HSTU_FUNCTION static constexpr float nothing() { return std::bit_cast<float>(0xff800000U); }
  [[nodiscard]] HSTU_FUNCTION static constexpr std::uint32_t place(std::uint32_t row, std::uint32_t column)
  {
    return row * row_bytes + column * 2;
  }

  /// Of a row and head: the two elements that a lane has of eight.
  [[nodiscard]] HSTU_FUNCTION static constexpr std::uint64_t column(std::uint64_t item, std::uint32_t d,
                                                                    std::uint32_t lane)
  {
    return item * HeadDim + d * 8 + lane % 4 * 2;
  }

  /// Where the tokens end that a row of the tile sees.
  [[nodiscard]] HSTU_FUNCTION std::uint32_t end_of(const stage_tile& tile, std::uint32_t row) const
  {
    return a.seen == nullptr || row >= tile.rows ? tile.tokens : a.seen[tile.first_row + row];
  }

  /// Queues K and V of the tokens from `first` on into a stage; zeros behind the last.
  template <class Block>
  HSTU_KERNEL void fetch(Block& block, const stage_tile& tile, std::uint32_t head, std::uint32_t first,
                         std::uint32_t stage) const
  {
    std::byte* const keys = block.shared() + (1 + 2 * stage) * tile_bytes;
    for (std::uint32_t i = block.thread(); i < keys_of_tile * parts; i += threads) {
      const std::uint32_t row = i / parts;
      const bool whole = first + row < tile.tokens;
      const std::byte* const from =
          a.prompts.key(tile.request, whole ? first + row : first) + (head * HeadDim + i % parts * 8) * 2;
      block.copy_async(keys + place(row, i % parts * 8), from, whole);
      block.copy_async(keys + tile_bytes + place(row, i % parts * 8), from + a.prompts.value_offset(), whole);
    }
  }

  /// One tile of keys: scores, their weights, values. Row g sees left[0] tokens of it, row g + 8 left[1].
  template <class Block>
  HSTU_KERNEL void step(Block& block, const std::byte* queries, const std::byte* keys, const std::byte* values,
                        std::uint32_t warp_row, std::uint32_t lane, const std::uint32_t (&left)[2],
                        float (&sums)[HeadDim / 8][4], float (&most)[2], float (&total)[2]) const
  {
    const std::uint32_t matrix = lane / 8;  // whose row this lane names
    float scores[keys_of_tile / 8][4] = {};
    HSTU_UNROLL
    for (std::uint32_t d = 0; d < HeadDim; d += 16) {
      std::uint32_t q[4];
      block.load_matrices(q, queries + place(warp_row + lane % 8 + matrix % 2 * 8, d + matrix / 2 * 8));
      HSTU_UNROLL
      for (std::uint32_t n = 0; n < keys_of_tile / 8; n += 2) {
        std::uint32_t k[4];
        block.load_matrices(k, keys + place(n * 8 + matrix / 2 * 8 + lane % 8, d + matrix % 2 * 8));
        const std::uint32_t low[2] = {k[0], k[1]}, high[2] = {k[2], k[3]};
        block.multiply_add(scores[n], q, low);
        block.multiply_add(scores[n + 1], q, high);
      }
    }

    HSTU_UNROLL
    for (std::uint32_t half = 0; half < 2; ++half) {
      float best = most[half];
      HSTU_UNROLL
      for (std::uint32_t n = 0; n < keys_of_tile / 8; ++n) {
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 2; ++i) {
          float& score = scores[n][2 * half + i];
          score = n * 8 + lane % 4 * 2 + i < left[half] ? a.scale * score : nothing();
          best = score > best ? score : best;
        }
      }
      const float other = block.shuffle_xor(best, 1);
      best = other > best ? other : best;
      const float farther = block.shuffle_xor(best, 2);
      best = farther > best ? farther : best;
      const float keep = Block::exp2(most[half] - best);  // 0 at first: best is a number, every row sees a token of it
      most[half] = best;
      total[half] *= keep;
      HSTU_UNROLL
      for (std::uint32_t n = 0; n < keys_of_tile / 8; ++n) {
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 2; ++i) {
          float& score = scores[n][2 * half + i];
          score = Block::exp2(score - best);
          total[half] += score;
        }
      }
      HSTU_UNROLL
      for (std::uint32_t d = 0; d < HeadDim / 8; ++d) {
        sums[d][2 * half] *= keep;
        sums[d][2 * half + 1] *= keep;
      }
    }

    HSTU_UNROLL
    for (std::uint32_t n = 0; n < keys_of_tile / 8; n += 2) {  // 16 tokens
      const std::uint32_t weights[4] = {
          Block::pack(scores[n][0], scores[n][1]), Block::pack(scores[n][2], scores[n][3]),
          Block::pack(scores[n + 1][0], scores[n + 1][1]), Block::pack(scores[n + 1][2], scores[n + 1][3])};
      HSTU_UNROLL
      for (std::uint32_t d = 0; d < HeadDim / 8; d += 2) {
        std::uint32_t v[4];
        block.load_matrices_transposed(v, values + place(n * 8 + matrix % 2 * 8 + lane % 8, d * 8 + matrix / 2 * 8));
        const std::uint32_t low[2] = {v[0], v[1]}, high[2] = {v[2], v[3]};
        block.multiply_add(sums[d], weights, low);
        block.multiply_add(sums[d + 1], weights, high);
      }
    }
  }
};

}  // namespace decoder::gpu
