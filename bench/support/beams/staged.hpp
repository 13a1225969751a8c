// Attention of beams to a prompt and their own tokens: staged, and with a copy of the prompt's KV for each beam, on this CPU.
#pragma once

#include "support/beams/cpu_time.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include "decoder/attention.hpp"
#include "decoder/loops/loops.hpp"
#include "hstu/matmul.hpp"

#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

namespace beams_bench {

/// One layer: 4 heads of 64, f32. One thread does either.
struct attention_scene
{
  static constexpr std::uint32_t heads = 4, dim = 64, own = 3, page_tokens = 32;
  static constexpr std::size_t row = heads * dim;

  std::uint32_t prompt;
  std::size_t beams;
  kvstrata::geometry shape{.layers = 1, .kv_heads = heads, .head_dim = dim, .element = kvstrata::element_type::f32};
  std::vector<float> slab, scratch, queries, staged, copied, lse;
  std::vector<float> key_copies, value_copies;  // [beams][heads][prompt + own][dim]: what attention reads in one go
  std::vector<float> products;
  std::vector<std::uint32_t> seen, rows;
  std::vector<float> part = std::vector<float>(dim);
  kvstrata::page_table table, own_table;
  kvstrata::page_table_view pages, own_pages;
  decoder::stage_scratch memory;

  attention_scene(std::uint32_t tokens, std::size_t width) : prompt(tokens), beams(width)
  {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const std::uint32_t count = (prompt + page_tokens - 1) / page_tokens;
    std::vector<kvstrata::page_id> ids;
    for (std::uint32_t i = 0; i < count; ++i) ids.push_back(kvstrata::to_page(i));
    std::shuffle(ids.begin(), ids.end(), random);
    table.add(ids, 0, prompt, page_tokens);
    const auto own_tokens = static_cast<std::uint32_t>(beams * own);
    ids.clear();
    for (std::uint32_t i = 0; i < (own_tokens + page_tokens - 1) / page_tokens; ++i)
      ids.push_back(kvstrata::to_page(i));
    own_table.add(ids, 0, own_tokens, page_tokens);
    const std::size_t page = page_tokens * shape.token_layer_bytes();
    slab.resize(count * page / 4);
    scratch.resize(ids.size() * page / 4);
    for (auto* all : {&slab, &scratch}) {
      for (float& x : *all) x = normal(random);
    }
    queries.resize(beams * row);
    for (float& x : queries) x = normal(random);
    pages = table.view(reinterpret_cast<std::byte*>(slab.data()), {slab.size() * 4, page}, shape, page_tokens);
    own_pages =
        own_table.view(reinterpret_cast<std::byte*>(scratch.data()), {scratch.size() * 4, page}, shape, page_tokens);
    staged.resize(beams * row);
    copied.resize(beams * row);
    lse.resize(beams);
    seen.assign(beams, prompt);
    rows.resize(beams * own);
    std::iota(rows.begin(), rows.end(), 0U);
    const std::size_t line = prompt + own;
    products.resize(line);
    key_copies.resize(beams * heads * line * dim);
    value_copies.resize(key_copies.size());
    for (std::size_t b = 0; b < beams; ++b) {
      for (std::size_t t = 0; t < line; ++t) {
        const std::byte* key = t < prompt ? pages.key(0, 0, static_cast<std::uint32_t>(t))
                                          : own_pages.key(0, 0, rows[b * own + t - prompt]);
        const auto* k = reinterpret_cast<const float*>(key);
        const auto* v = reinterpret_cast<const float*>(key + pages.value_offset());
        for (std::size_t h = 0; h < heads; ++h) {
          std::copy_n(k + h * dim, dim, key_copies.data() + ((b * heads + h) * line + t) * dim);
          std::copy_n(v + h * dim, dim, value_copies.data() + ((b * heads + h) * line + t) * dim);
        }
      }
    }
  }

  void run_staged()
  {
    for (std::uint32_t h = 0; h < heads; ++h) {
      const decoder::state_rows states{staged.data() + h * dim, row, lse.data()};
      decoder::attend_pages({queries.data() + h * dim, row, beams}, seen, pages, 0, 0, h, states, memory);
      for (std::size_t b = 0; b < beams; ++b) {
        decoder::attend_own(queries.data() + b * row + h * dim, std::span(rows).subspan(b * own, own), own_pages, 0, 0,
                            h, states[b], part.data());
      }
    }
  }

  void run_copied()
  {
    const decoder::loops& l = decoder::best_loops();
    const std::size_t line = prompt + own;
    const float scale = decoder::score_scale(dim);
    for (std::size_t b = 0; b < beams; ++b) {
      for (std::size_t h = 0; h < heads; ++h) {
        const float* keys = key_copies.data() + (b * heads + h) * line * dim;
        const float* values = value_copies.data() + (b * heads + h) * line * dim;
        float* out = copied.data() + b * row + h * dim;
        hstu::multiply_transposed(1, line, dim, {queries.data() + b * row + h * dim, dim}, {keys, dim},
                                  {products.data(), line});
        const float most = scale * l.largest(products.data(), line);
        const float sum = l.exp2(products.data(), scale, most, line);
        hstu::multiply(1, dim, line, {products.data(), line}, {values, dim}, {out, dim});
        l.scale(out, 1 / sum, dim);
      }
    }
  }

  [[nodiscard]] double apart() const
  {
    double worst = 0;
    for (std::size_t i = 0; i < staged.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(staged[i] - copied[i])));
    }
    return worst;
  }
};

inline void print_staged(int rounds, std::vector<bench::target>& targets)
{
  std::printf(
      "Attention of one layer, 4 heads of 64 in f32, a prompt of 2,500 tokens in pages of 32, 3 own tokens a beam\n");
  for (const std::size_t width : {32U, 128U, 512U}) {
    attention_scene scene(2'500, width);
    scene.run_staged();
    scene.run_copied();
    if (!(scene.apart() < 1e-5)) throw std::runtime_error("staged attention and copied beams give different answers");
    const bench::paired_seconds s =
        cpu_pairs({"staged", [&] { scene.run_staged(); }}, {"beams copied", [&] { scene.run_copied(); }}, rounds);
    std::printf("  width %3zu: %7.2f ms staged (%.2f to %.2f), %8.2f ms copied: %.1f times faster (%.1f to %.1f)\n",
                width, 1e3 * s.subject.median, 1e3 * s.subject.low, 1e3 * s.subject.high, 1e3 * s.baseline.median,
                s.ratio.median, s.ratio.low, s.ratio.high);
    if (width == 512) targets.push_back({"beams.staged_over_copied_512", s.ratio.median, bench::better::more, 4});
  }
  std::printf("\n");
}

}  // namespace beams_bench
