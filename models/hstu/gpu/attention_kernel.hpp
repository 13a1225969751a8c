// SiLU attention over pages, on tensor cores: O = silu(Q K^T + bias) V / N, of rows that see a prefix and themselves.
//
// A block of threads has one tile of up to 128 queries of one request, and one head; it walks over the request's keys
// in tiles of 64. A warp has 32 of the queries (16 when a head has 256 elements). Per tile of keys:
//   S = bias          in registers (attention_bias.hpp; in far tiles one number a row)
//   S += Q K^T        multiply_add in bf16 with float sums; Q stays in shared memory, K tiles pass through it
//   P = silu(S)       four scores share a reciprocal (attention_silu.hpp); unseen keys become 0. There is no softmax:
//                     no maximum, no sum, no rescaling
//   O += P V          P is rounded to bf16 in the registers where S was: results of one multiply_add are the left
//                     operand of the next
// and at the end O / N goes out through shared memory in 16-byte pieces. Where a row's own key
// lies apart from the prefix that it sees, as a candidate's does, its own score is a plain dot product, and its part of O is
// there before the first tile. Tiles of keys that
// all rows of a warp see skip the mask; those that none sees are skipped by the warp. Where a window begins inside a
// page, the keys before it are hidden: zero as well, so that their values add nothing, whatever they weigh.
// K and V tiles go through three places in turn, K0 V0 K1 V1 ...: two are on their way by cp.async while one is used,
// and one barrier a tile of keys or values is all. Keys behind the last that anybody sees are not read but zero, so what
// lies in the rest of the last page does not matter (0 * NaN would).
//
// Sources: J. Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
// Recommendations", ICML 2024 (the attention); T. Dao, "FlashAttention-2: Faster Attention with Better Parallelism and
// Work Partitioning", 2023 (tiles, who has which rows, registers from S to P); Z. Ye et al., "FlashInfer: Efficient and
// Customizable Attention Engine for LLM Inference Serving", MLSys 2025 (the page table).
//
// What limits it, on paper, per multiprocessor of sm_90 and tile of 128 x 64 scores with 128 elements a head: products
// 2.1 million multiply-adds, 1024 clocks at wgmma's rate and some 1500 at mma.sync's (said to be two thirds); SiLU 8192
// * 1.25 results at 16 a clock, 640; shared memory 4 warps * (8 KiB of Q + 16 of K + 16 of V) at 128 bytes a clock,
// 1280. They overlap between the warps of two blocks, so products lead. With 256 elements a head a warp's sums leave
// room for 16 rows only, and shared memory leads: 8 warps * (8 + 32 + 32 KiB), 4600 clocks to some 3000 of products.
// wgmma, which reads both operands from shared memory and once for four warps, would take off both; it exists on sm_90a
// only. Where tiles are few, blocks share their keys (attention_parts.hpp). These are leads: nothing here was measured.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/attention_bias.hpp"
#include "hstu/gpu/attention_parts.hpp"
#include "hstu/gpu/attention_tiles.hpp"
#include "hstu/gpu/attention_warp.hpp"
#include "hstu/gpu/block.hpp"
#include "hstu/gpu/function.hpp"
#include "hstu/gpu/vectors.hpp"

#include <cstddef>
#include <cstdint>
#include <new>

namespace hstu::gpu {

/// Arguments are those that check_attention() lets pass. Distance and Time: whether args.bias has that table; Gaps: whether
/// args.pages has gaps.
template <std::uint32_t HeadDim, bool Distance, bool Time, bool Gaps = false>
struct attention_kernel
{
  static constexpr std::uint32_t warps = HeadDim > 128 ? 8 : 4;
  static constexpr std::uint32_t threads = 32 * warps;
  static constexpr std::uint32_t blocks_per_sm = HeadDim > 128 ? 1 : 2;

  attention_arguments args;
  std::uint32_t page_shift = 0;  ///< a page has 2^page_shift tokens

  [[nodiscard]] HSTU_FUNCTION std::uint32_t blocks() const { return args.tile_count * args.heads * args.parts; }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t shared_bytes() const
  {
    return times_at + (Time ? attention_tile_rows * 8 : 0);
  }

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const place at = place_of(block);
    const key_parts split(args, keys_end_of(at));
    if (at.part >= split.used) return;
    const std::uint32_t hidden = args.pages.hidden_of(at.request);
    const std::uint32_t first_seen = hidden / tile_keys * tile_keys;
    std::uint32_t keys_begin = at.part * split.keys;
    const std::uint32_t keys_end = keys_begin + split.keys < split.all ? keys_begin + split.keys : split.all;
    if (keys_begin < first_seen) keys_begin = first_seen;

    std::byte* const shared = block.shared();
    page_gather<HeadDim, threads, Gaps> gather(args.pages, page_shift, at.request, at.head,
                                               {keys_begin, keys_end, hidden}, block.thread(), shared + starts_at);
    share_rows(block, at, split.all);
    block.sync();
    if (keys_begin < keys_end) {
      copy_queries(block, at);
      gather.keys(block, shared + slots_at, keys_begin);
      block.commit_copies();
      gather.values(block, shared + slots_at + slot_bytes, keys_begin);
      block.commit_copies();
    }

    // The warp's rows: what its first sees, all see; what its last does not see, none sees.
    const std::uint32_t lane = block.thread() % 32;
    const std::uint32_t warp_first = block.thread() / 32 * warp_rows;
    const shared_row* const rows = reinterpret_cast<const shared_row*>(shared + rows_at) + warp_first;
    const bool active = warp_first < at.count;

    sum_tile<warp_rows, HeadDim> sums;
    begin_sums(block, sums, at, active && at.part == 0 && some_lie_apart(block, rows));
    tile_bias<Distance, Time, lane_rows> bias(args.bias, reinterpret_cast<const shared_bias*>(shared + bias_at), lane,
                                              rows,
                                              reinterpret_cast<const std::int64_t*>(shared + times_at) + warp_first);

    std::uint32_t key_slot = slots_at;
    for (std::uint32_t first = keys_begin; first < keys_end; first += tile_keys) {
      const bool more = first + tile_keys < keys_end;
      const std::uint32_t value_slot = slot_after(key_slot);
      const std::uint32_t free_slot = slot_after(value_slot);

      block.template wait_copies<1>();  // K is here, V on its way
      block.sync();                     // for all; and nobody uses the last V any more
      if (more) gather.keys(block, shared + free_slot, first + tile_keys);
      block.commit_copies();
      gather.advance(first);
      const bool seen = active && first < rows[warp_rows - 1].seen();
      weight_tile<warp_rows> weights;
      if (seen) {
        score_tile<warp_rows> scores;
        bias.fill(scores, first);
        if constexpr (Time) block.sync_warp();
        multiply_keys<HeadDim, warp_rows>(block, scores, shared, warp_first, shared + key_slot);
        apply_silu<Block, warp_rows>(scores);
        if (first + tile_keys > rows[0].seen()) hide_unseen<warp_rows>(scores, rows, first, lane);
        round_weights<Block, warp_rows>(weights, scores);
      }

      block.template wait_copies<1>();
      block.sync();
      if (more) gather.values(block, shared + key_slot, first + tile_keys);
      block.commit_copies();
      if (seen) multiply_values<HeadDim, warp_rows>(block, sums, weights, shared + value_slot);
      key_slot = free_slot;
    }

    const place end = place_of(block);
    if (key_parts(args, keys_end_of(end)).used == 1) store_outputs(block, sums, end);
    else store_part(block, sums, end);
  }

 private:
  using layout = tile_layout<HeadDim>;
  static constexpr std::uint32_t warp_rows = attention_tile_rows / warps;
  static constexpr std::uint32_t row_steps = warp_rows / 16;  // fragments of 16 rows
  static constexpr std::uint32_t lane_rows = 2 * row_steps;   // a lane has rows lane / 4 + 8 * r of its warp
  static constexpr std::uint32_t slot_bytes = tile_keys * layout::row_bytes;
  static constexpr std::uint32_t slots_at = attention_tile_rows * layout::row_bytes;  // behind Q
  static constexpr std::uint32_t starts_at = slots_at + 3 * slot_bytes;
  static constexpr std::uint32_t rows_at = starts_at + page_gather<HeadDim, threads, Gaps>::shared_bytes;
  static constexpr std::uint32_t bias_at = rows_at + attention_tile_rows * sizeof(shared_row);
  static constexpr std::uint32_t times_at = bias_at + (Distance || Time ? sizeof(shared_bias) : 0);

  [[nodiscard]] static HSTU_KERNEL std::uint32_t slot_after(std::uint32_t slot)
  {
    return slot == slots_at + 2 * slot_bytes ? slots_at : slot + slot_bytes;
  }

  /// What a block works on. Found again at the end, which costs less than registers all the way.
  struct place
  {
    std::uint32_t tile, request, head, part, count;
    const std::uint32_t* rows;

    /// Rows behind the last are as the last, and are not stored.
    [[nodiscard]] HSTU_KERNEL std::uint32_t row(std::uint32_t i) const { return rows[i < count ? i : count - 1]; }
  };

  template <class Block>
  [[nodiscard]] HSTU_KERNEL place place_of(const Block& block) const
  {
    const std::uint32_t number = block.index() / (args.heads * args.parts);
    const query_tile& tile = args.tiles[number];
    return {number,
            tile.request,
            block.index() % args.heads,
            block.index() / args.heads % args.parts,
            tile.count,
            args.tile_rows + tile.first};
  }

  /// Of the tile; its last row sees most.
  [[nodiscard]] HSTU_KERNEL std::uint32_t keys_end_of(const place& at) const
  {
    return args.end_of(at.rows[at.count - 1]);
  }

  /// Of the warp's rows. Collective.
  template <class Block>
  [[nodiscard]] static HSTU_KERNEL bool some_lie_apart(Block& block, const shared_row* rows)
  {
    std::uint32_t some = rows[block.thread() % warp_rows].lies_apart() ? 1 : 0;
    for (std::uint32_t mask = warp_rows / 2; mask > 0; mask /= 2) some |= block.shuffle_xor(some, mask);
    return some != 0;
  }

  template <class Block>
  HSTU_KERNEL void share_rows(Block& block, const place& at, std::uint32_t keys) const
  {
    if constexpr (Distance || Time) {
      if (block.thread() == 0) new (block.shared() + bias_at) shared_bias(args.bias, at.request, at.head, keys);
    }
    auto* rows = reinterpret_cast<shared_row*>(block.shared() + rows_at);
    auto* times = reinterpret_cast<std::int64_t*>(block.shared() + times_at);
    for (std::uint32_t i = block.thread(); i < attention_tile_rows; i += threads) {
      const std::uint32_t row = at.row(i);
      rows[i] = shared_row(args.visible[row], args.follows(row), args.lies_apart(row));
      if constexpr (Time) times[i] = args.bias.row_times[row];
    }
    static_cast<void>(times);
  }

  template <class Block>
  HSTU_KERNEL void copy_queries(Block& block, const place& at) const
  {
    constexpr std::uint32_t rows_at_once = threads / layout::chunks;
    const std::uint32_t chunk = block.thread() % layout::chunks;
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < attention_tile_rows / rows_at_once; ++i) {
      const std::uint32_t row = block.thread() / layout::chunks + i * rows_at_once;
      const bf16* from = args.queries.row(at.row(row)) + at.head * HeadDim + chunk * 8;
      block.copy_async(block.shared() + layout::at(row, chunk), from, row < at.count);
    }
  }

  /// Sums begin with what rows get of themselves that lie apart; with 0 where there are none.
  template <class Block>
  HSTU_KERNEL void begin_sums(Block& block, sum_tile<warp_rows, HeadDim>& sums, const place& at, bool some_apart) const
  {
    HSTU_UNROLL
    for (std::uint32_t m = 0; m < row_steps; ++m) {
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < HeadDim / 8; ++j) {
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 4; ++i) sums[m][j][i] = 0;
      }
    }
    if (!some_apart) return;
    HSTU_UNROLL
    for (std::uint32_t r = 0; r < lane_rows; ++r) {
      const std::uint32_t row = at.row(row_of(block, r));
      const bool apart = args.lies_apart(row);
      const float weight = own_weight(block, at, row, apart);
      if (!apart) continue;
      const bf16* value = own_value(at, row) + at.head * HeadDim + block.thread() % 4 * 2;
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < HeadDim / 8; ++j) {
        const auto pair = load_vector<bf16x2>(value + 8 * j);
        sums[r / 2][j][r % 2 * 2] = weight * element(pair, 0);
        sums[r / 2][j][r % 2 * 2 + 1] = weight * element(pair, 1);
      }
    }
  }

  /// K and V of a row that lies apart: a candidate's, or out of its page.
  [[nodiscard]] HSTU_KERNEL const bf16* own_key(const place& at, std::uint32_t row) const
  {
    if (row >= args.first_candidate) return args.candidate_keys.row(row - args.first_candidate);
    const std::uint32_t key = args.positions[row];
    const std::uint32_t* ids = args.pages.page_ids + args.pages.indptr[at.request];
    const std::byte* page = args.pages.base + ids[key >> page_shift] * args.pages.page_stride;
    return reinterpret_cast<const bf16*>(page) + std::size_t{key & ((1u << page_shift) - 1)} * args.pages.width;
  }
  [[nodiscard]] HSTU_KERNEL const bf16* own_value(const place& at, std::uint32_t row) const
  {
    if (row >= args.first_candidate) return args.candidate_values.row(row - args.first_candidate);
    return own_key(at, row) + (std::size_t{args.pages.width} << page_shift);
  }

  /// What such a row's own value weighs; four lanes have a row.
  template <class Block>
  [[nodiscard]] HSTU_KERNEL float own_weight(Block& block, const place& at, std::uint32_t row, bool apart) const
  {
    const std::size_t column = at.head * HeadDim + block.thread() % 4 * 8;
    float score = 0;
    if (apart) {
      const bf16* query = args.queries.row(row) + column;
      const bf16* key = own_key(at, row) + column;
      for (std::uint32_t step = 0; step < HeadDim; step += 32) {
        const auto q = load_vector<bf16x8>(query + step);
        const auto k = load_vector<bf16x8>(key + step);
        HSTU_UNROLL
        for (std::uint32_t e = 0; e < 8; ++e) score += element(q, e) * element(k, e);
      }
    }
    score += block.shuffle_xor(score, 1);
    score += block.shuffle_xor(score, 2);
    if constexpr (Distance) score += args.bias.by_distance[std::size_t{at.head} * args.bias.distances];
    if constexpr (Time) {
      const bool own = row >= args.first_candidate && args.bias.own_buckets != nullptr;
      score += args.bias.by_time[std::size_t{at.head} * args.bias.times +
                                 (own ? args.bias.own_buckets[row - args.first_candidate] : 0)];
    }
    return Block::silu(score);
  }

  template <class Block>
  [[nodiscard]] static HSTU_KERNEL std::uint32_t row_of(const Block& block, std::uint32_t r)
  {
    return block.thread() / 32 * warp_rows + 8 * r + block.thread() % 32 / 4;
  }

  /// Through the warp's own rows of Q, which nobody reads any more.
  template <class Block>
  HSTU_KERNEL void store_outputs(Block& block, const sum_tile<warp_rows, HeadDim>& sums, const place& at) const
  {
    const std::uint32_t lane = block.thread() % 32;
    block.sync_warp();
    HSTU_UNROLL
    for (std::uint32_t r = 0; r < lane_rows; ++r) {
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < HeadDim / 8; ++j) {
        const float* pair = &sums[r / 2][j][r % 2 * 2];
        std::byte* to = block.shared() + layout::at(row_of(block, r), j) + 4 * (lane % 4);
        *reinterpret_cast<std::uint32_t*>(to) = Block::pack(pair[0] * args.factor, pair[1] * args.factor);
      }
    }
    block.sync_warp();
    constexpr std::uint32_t rows_at_once = 32 / layout::chunks;
    const std::uint32_t chunk = lane % layout::chunks;
    const std::uint32_t first = block.thread() / 32 * warp_rows;
    for (std::uint32_t row = first + lane / layout::chunks; row < first + warp_rows && row < at.count;
         row += rows_at_once) {
      bf16* to = args.outputs.row(at.rows[row]) + at.head * HeadDim + chunk * 8;
      store_vector(to, load_vector<bf16x8>(block.shared() + layout::at(row, chunk)));
    }
  }

  /// Four lanes write 32 bytes of a row.
  template <class Block>
  HSTU_KERNEL void store_part(const Block& block, const sum_tile<warp_rows, HeadDim>& sums, const place& at) const
  {
    HSTU_UNROLL
    for (std::uint32_t r = 0; r < lane_rows; ++r) {
      const std::uint32_t row = row_of(block, r);
      if (row >= at.count) continue;
      float* to = part_row(args, at.part, at.tile, row) + at.head * HeadDim + block.thread() % 4 * 2;
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < HeadDim / 8; ++j) {
        store_vector(to + 8 * j, floatx2{sums[r / 2][j][r % 2 * 2], sums[r / 2][j][r % 2 * 2 + 1]});
      }
    }
  }
};

}  // namespace hstu::gpu
