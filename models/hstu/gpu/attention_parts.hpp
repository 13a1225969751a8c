// How blocks share the keys of a tile of queries, and the kernel that adds up what they found.
//
// A batch with few queries and long histories has fewer tiles than a GPU has multiprocessors. Without a softmax the
// parts of a sum over keys need nothing of each other: they lie side by side in memory, in float, and are added in
// their order, so that results do not depend on who is first. (With a softmax this is "Flash-Decoding for long-context
// inference", T. Dao, D. Haziza, F. Massa, G. Sizov, 2023.)
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/attention_tiles.hpp"
#include "hstu/gpu/block.hpp"
#include "hstu/gpu/function.hpp"
#include "hstu/gpu/vectors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hstu::gpu {

inline constexpr std::uint32_t attention_tile_rows = 128;  ///< most rows of a query_tile
inline constexpr std::uint32_t least_part_keys = 512;      ///< fewer are not worth a block

/// The parts of a tile's keys.
struct key_parts
{
  std::uint32_t all;   ///< keys of the tile
  std::uint32_t keys;  ///< of a part, the last may have fewer
  std::uint32_t used;  ///< parts, at least 1

  HSTU_FUNCTION key_parts(const attention_arguments& args, std::uint32_t keys_end) : all(keys_end)
  {
    const std::uint32_t share = (keys_end + args.parts - 1) / args.parts;
    const std::uint32_t whole = (share + tile_keys - 1) / tile_keys * tile_keys;
    keys = whole > least_part_keys ? whole : least_part_keys;
    used = keys_end == 0 ? 1 : (keys_end + keys - 1) / keys;
  }
};

/// Floats of attention_arguments::part_sums, which is [parts][tiles][attention_tile_rows][width].
[[nodiscard]] constexpr std::size_t part_floats(std::size_t parts, std::size_t tiles, std::size_t width) noexcept
{
  return parts == 1 ? 0 : parts * tiles * attention_tile_rows * width;
}

/// Where the sums of a part go, of row `row` of tile `tile`.
[[nodiscard]] HSTU_FUNCTION inline float* part_row(const attention_arguments& args, std::uint32_t part,
                                                   std::uint32_t tile, std::uint32_t row)
{
  const std::size_t number = std::size_t{part} * args.tile_count + tile;
  return args.part_sums + (number * attention_tile_rows + row) * args.pages.width;
}

/// attention_arguments::parts for a batch: as many as give every multiprocessor some blocks to choose from, while none
/// has fewer than least_part_keys keys.
[[nodiscard]] inline std::uint32_t attention_parts(std::size_t tiles, std::uint32_t heads,
                                                   std::uint32_t longest_history, std::uint32_t multiprocessors)
{
  constexpr std::size_t blocks_each = 6;
  constexpr std::size_t most_parts = 32;
  const std::size_t blocks = (std::max)(tiles * heads, std::size_t{1});
  const std::size_t wanted = (blocks_each * multiprocessors + blocks - 1) / blocks;
  const std::size_t useful = (std::max)(longest_history / least_part_keys, 1u);
  return static_cast<std::uint32_t>((std::max)((std::min)({wanted, useful, most_parts}), std::size_t{1}));
}

/// outputs = sums of part_sums / N, for tiles of more than one part. To be run behind the attention kernel.
struct attention_sum_kernel
{
  static constexpr std::uint32_t threads = 256;
  static constexpr std::uint32_t blocks_per_sm = 4;
  static constexpr std::uint32_t slices = 8;  ///< blocks of a tile

  attention_arguments args;

  [[nodiscard]] HSTU_FUNCTION std::uint32_t blocks() const { return args.tile_count * slices; }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t shared_bytes() const { return 0; }

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const query_tile& tile = args.tiles[block.index() / slices];
    const key_parts split(args, args.end_of(args.tile_rows[tile.first + tile.count - 1]));
    if (split.used == 1) return;
    const std::uint32_t vectors = args.pages.width / vector_width;
    const std::size_t step = std::size_t{args.tile_count} * attention_tile_rows * args.pages.width;
    for (std::uint32_t i = block.index() % slices * threads + block.thread(); i < tile.count * vectors;
         i += slices * threads) {
      const std::uint32_t row = i / vectors;
      const std::uint32_t column = i % vectors * vector_width;
      const float* from = part_row(args, 0, block.index() / slices, row) + column;
      float sums[vector_width] = {};
      for (std::uint32_t part = 0; part < split.used; ++part, from += step) {
        const auto low = load_vector<floatx4>(from);
        const auto high = load_vector<floatx4>(from + 4);
        HSTU_UNROLL
        for (std::uint32_t e = 0; e < 4; ++e) {
          sums[e] += low.values[e];
          sums[4 + e] += high.values[e];
        }
      }
      HSTU_UNROLL
      for (std::uint32_t e = 0; e < vector_width; ++e) sums[e] *= args.factor;
      store_vector(args.outputs.row(args.tile_rows[tile.first + row]) + column, pack_vector<Block>(sums));
    }
  }
};

}  // namespace hstu::gpu
