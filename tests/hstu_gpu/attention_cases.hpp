// What attention must do, on whatever runs it: attend(bed) runs the kernel over a bed's tiles.
#pragma once

#include "hstu_gpu/attention_bed.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace hstu_gpu_test {

// Weights are rounded to bf16, and so are results: 2^-9 each at most, and in the norm about 0.6 of it.
inline constexpr double attention_tolerance = 0.006;

using attend_function = std::function<void(attention_bed&)>;

inline void check_attention_of(const attend_function& attend, const attention_shape& shape,
                               std::vector<attention_request> requests, unsigned seed)
{
  INFO("heads " << shape.heads << ", head_dim " << shape.head_dim << ", page_tokens " << shape.page_tokens
                << ", distances " << shape.distances << ", times " << shape.times << ", tile rows " << shape.tile_rows
                << ", parts " << shape.parts << ", seed " << seed);
  attention_bed bed(shape, std::move(requests), seed);
  attend(bed);
  REQUIRE(bed.worst_error() < attention_tolerance);
}

inline std::vector<std::uint32_t> joined(std::vector<std::uint32_t> a, const std::vector<std::uint32_t>& b)
{
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline void attention_over_page_sizes(const attend_function& attend)
{
  unsigned seed = 100;
  for (const std::uint32_t dim : {64u, 128u, 256u}) {
    for (const std::uint32_t page_tokens : {8u, 16u, 32u, 64u, 256u}) {
      // Some of the last computed tokens and some candidates, over a page's and a tile's edges.
      const std::uint32_t history = 57 + 23 * (seed % 5);
      check_attention_of(attend, {.heads = 1 + seed % 2, .head_dim = dim, .page_tokens = page_tokens},
                         {{history, positions_in(history - 9, history), 5}}, seed);
      ++seed;
    }
  }
}

inline void attention_of_edges(const attend_function& attend)
{
  unsigned seed = 200;
  for (const std::uint32_t dim : {64u, 256u}) {
    const attention_shape shape{.head_dim = dim, .page_tokens = 16};
    check_attention_of(attend, shape, {{0, {}, 3}}, ++seed);   // candidates of an empty history
    check_attention_of(attend, shape, {{1, {0}, 0}}, ++seed);  // one token
    check_attention_of(attend, shape, {{1, {}, 1}}, ++seed);   // one of each
    for (const std::uint32_t history : {15u, 16u, 17u, 63u, 64u, 65u, 128u}) {
      check_attention_of(attend, shape, {{history, {history - 1}, 1}}, ++seed);
      check_attention_of(attend, shape, {{history, {0, history - 1}, 0}}, ++seed);
    }
  }
}

inline void attention_of_whole_tiles(const attend_function& attend)
{
  unsigned seed = 300;
  // All rows of a tile, several tiles, the last of them partial; masks on every edge.
  check_attention_of(attend, {.head_dim = 64, .page_tokens = 32}, {{150, positions_in(0, 150), 0}}, ++seed);
  check_attention_of(attend, {.head_dim = 128, .page_tokens = 64}, {{140, positions_in(0, 140), 7}}, ++seed);
  check_attention_of(attend, {.head_dim = 256, .page_tokens = 32}, {{130, positions_in(66, 130), 70}}, ++seed);
  // Tiles of other sizes than whole fragments.
  for (const std::uint32_t rows : {1u, 15u, 33u, 100u}) {
    check_attention_of(attend, {.head_dim = 64, .page_tokens = 8, .tile_rows = rows},
                       {{101, positions_in(90, 101), 101}}, ++seed);
  }
}

inline void attention_of_intervals(const attend_function& attend)
{
  unsigned seed = 400;
  // Rows far apart: within a warp, some see one tile of keys and others all.
  const std::vector<std::uint32_t> apart = joined({0, 1, 5, 64, 127, 128, 200}, positions_in(390, 417));
  for (const std::uint32_t dim : {64u, 128u, 256u}) {
    check_attention_of(attend, {.head_dim = dim, .page_tokens = 32, .distances = 100, .times = 20}, {{417, apart, 4}},
                       ++seed);
  }
}

inline void attention_of_long_histories(const attend_function& attend)
{
  check_attention_of(attend, {.head_dim = 128, .page_tokens = 32}, {{3001, {2999, 3000}, 3}}, 500);
  check_attention_of(attend, {.head_dim = 64, .page_tokens = 256, .distances = 256, .times = 64, .steps = 9},
                     {{4100, {17, 2050, 4099}, 3}}, 501);
}

inline void attention_with_bias(const attend_function& attend)
{
  unsigned seed = 600;
  const std::vector<attention_request> requests = {{333, joined({3, 70}, positions_in(300, 333)), 6}};
  for (const std::uint32_t dim : {64u, 128u, 256u}) {
    // Tables of one entry, shorter than a tile, of a few tiles, longer than the history.
    for (const std::uint32_t distances : {0u, 1u, 50u, 200u, 1000u}) {
      const std::uint32_t times = distances == 50 ? 0 : 1 + distances / 8;
      check_attention_of(attend, {.heads = 2, .head_dim = dim, .distances = distances, .times = times, .steps = 6},
                         requests, ++seed);
      if (dim == 256) break;  // twice the work; the others are of the same source
    }
  }
  // Only one of the two, also where all times are the same and where they are worlds apart.
  check_attention_of(attend, {.head_dim = 128, .distances = 64}, requests, ++seed);
  check_attention_of(attend, {.head_dim = 256, .distances = 64}, requests, ++seed);
  check_attention_of(attend, {.head_dim = 256, .times = 64, .steps = 12}, requests, ++seed);
  check_attention_of(attend, {.head_dim = 64, .times = 256, .steps = -1.5}, requests, ++seed);
  check_attention_of(attend, {.head_dim = 64, .times = 128, .steps = 30}, requests, ++seed);
}

inline void attention_in_parts(const attend_function& attend)
{
  // Blocks share the keys: rows that see few or all of them, parts that end within a tile of queries' keys, tiles too
  // short to be shared beside those that are.
  unsigned seed = 800;
  for (const std::uint32_t parts : {2u, 3u, 32u}) {
    check_attention_of(
        attend, {.head_dim = 64, .page_tokens = 32, .distances = 300, .times = 64, .parts = parts, .steps = 7},
        {{1700, {3, 600, 1023, 1024, 1699}, 3}, {511, {510}, 1}, {0, {}, 2}, {1024, {}, 2}, {1025, {}, 1}}, ++seed);
  }
  check_attention_of(attend, {.heads = 2, .head_dim = 128, .page_tokens = 64, .parts = 4}, {{2200, {2198, 2199}, 2}},
                     ++seed);
  check_attention_of(attend, {.head_dim = 256, .page_tokens = 8, .times = 40, .parts = 2}, {{1100, {1099}, 20}},
                     ++seed);
}

inline void attention_of_windows(const attend_function& attend)
{
  unsigned seed = 900;
  // Hidden keys: a few, up to a tile's edge and over it, several tiles of a large page; rows that see one key, or none.
  for (const std::uint32_t hidden : {1u, 7u, 63u, 64u, 65u, 200u, 255u}) {
    const std::uint32_t history = 300;
    check_attention_of(attend, {.head_dim = 64, .page_tokens = 256, .distances = 40, .times = 30},
                       {{history, joined({hidden, hidden + 1}, positions_in(280, history)), 5, hidden}}, ++seed);
    check_attention_of(attend, {.head_dim = 128, .page_tokens = 256}, {{hidden, {}, 3, hidden}}, ++seed);
  }
  check_attention_of(attend, {.head_dim = 256, .page_tokens = 8, .times = 20}, {{90, positions_in(5, 90), 9, 5}},
                     ++seed);
  // Beside others, and where blocks share the keys: parts that are hidden altogether, too.
  for (const std::uint32_t parts : {1u, 3u}) {
    check_attention_of(
        attend, {.heads = 2, .head_dim = 64, .page_tokens = 1024, .distances = 300, .times = 64, .parts = parts},
        {{1700, {1000, 1023, 1699}, 3, 700}, {1100, {}, 2, 1023}, {0, {}, 2}, {1024, {3, 1023}, 2, 3}, {600, {599}, 1}},
        ++seed);
  }
}

/// Any masks of the one kind that there is: each row its prefix and itself.
inline void attention_of_random_masks(const attend_function& attend)
{
  for (unsigned seed = 1000; seed < 1048; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    attention_shape shape;
    shape.head_dim = seed % 8 == 0 ? 256 : seed % 3 == 0 ? 128 : 64;
    shape.page_tokens = 8u << below(5);
    shape.tile_rows = seed % 4 == 0 ? 1 + below(128) : 128;
    shape.parts = seed % 5 == 0 ? 2 : 1;
    const bool gaps = seed % 2 == 0;
    if (!gaps) {
      shape.distances = below(80);
      shape.times = below(30);
    }
    std::vector<attention_request> requests(1 + below(3));
    for (attention_request& r : requests) {
      r.history = below(seed % 5 == 0 ? 1300 : 200);
      if (gaps) {
        const std::uint32_t first = below(r.history + 1);
        const std::uint32_t page = shape.page_tokens;
        r.gap = {first, (first + page - 1) / page * page};
        r.history += r.gap.end - r.gap.begin;
      }
      r.candidates = below(20);
      for (std::uint32_t key = 0; key < r.history; ++key) {
        const bool is_key = key < r.gap.begin || key >= r.gap.end;
        if (is_key && below(1 + r.history / 40) == 0) r.computed.push_back(key);
      }
      for (std::size_t i = 0; i < r.computed.size() + r.candidates; ++i) {
        const bool follows = i < r.computed.size() && below(3) == 0;
        r.visible.push_back(follows ? r.computed[i] : below(r.history + 1));
      }
    }
    check_attention_of(attend, shape, std::move(requests), seed);
  }
}

/// MTGR's: a stretch whose rows see all of it, one behind it in the order of time, candidates in between.
inline void attention_of_two_stretches(const attend_function& attend)
{
  unsigned seed = 1100;
  for (const std::uint32_t statics : {1u, 8u, 61u, 64u, 130u}) {
    attention_request r;
    r.gap = {statics, (statics + 31) / 32 * 32};
    r.history = r.gap.end + 40;
    r.computed = joined(positions_in(0, statics), positions_in(r.gap.end, r.history));
    r.candidates = 30;
    r.visible.assign(statics, statics);
    for (std::uint32_t i = 0; i < 40; ++i) r.visible.push_back(r.gap.end + i);
    for (std::uint32_t i = 0; i < 30; ++i) r.visible.push_back(i % 7 == 0 ? statics : r.gap.end + i);
    check_attention_of(attend, {.head_dim = 64, .page_tokens = 32}, {r}, ++seed);
    check_attention_of(attend, {.heads = 2, .head_dim = 256, .page_tokens = 32}, {r, {77, {76}, 3}, r}, ++seed);
  }
}

inline void attention_of_batches(const attend_function& attend)
{
  // Requests of all kinds together; tiles in any order; a tile that is not asked for is not written.
  attention_bed bed({.heads = 2, .head_dim = 64, .page_tokens = 16, .distances = 40, .times = 30, .tile_rows = 20},
                    {{77, positions_in(60, 77), 30},
                     {0, {}, 2},
                     {200, {}, 9},
                     {33, positions_in(0, 33), 0},
                     {0, {}, 0},
                     {64, {63}, 25}},
                    700);
  bed.drop_tile(2);
  attend(bed);
  REQUIRE(bed.worst_error() < attention_tolerance);
}

}  // namespace hstu_gpu_test
