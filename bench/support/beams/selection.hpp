// How many candidates early termination looks at.
#pragma once

#include "support/beams/cpu_time.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include "decoder/search/beam_selector.hpp"
#include "decoder/search/candidate_list.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <vector>

namespace beams_bench {

/// Lists of the best `width` of 8,192 Gaussian logits a beam, beams with scores as a first step leaves them.
inline std::vector<std::vector<std::uint64_t>> gaussian_lists(std::uint64_t seed, std::size_t width)
{
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(8192);
  decoder::candidate_list list;
  std::vector<std::vector<std::uint64_t>> all;
  for (float& x : logits) x = normal(random);
  const auto first = list.of({}, logits, {.most = width});
  const std::vector<std::uint64_t> beams(first.begin(), first.end());
  for (std::uint32_t b = 0; b < width; ++b) {
    for (float& x : logits) x = normal(random);
    const auto keys = list.of({.score = decoder::score_of(beams[b]), .index = b}, logits, {.most = width});
    all.emplace_back(keys.begin(), keys.end());
  }
  return all;
}

inline void print_selection(int seeds, std::vector<bench::target>& targets)
{
  std::printf("Selection: candidates looked at, of width x width sorted ones; Gaussian logits, V = 8,192\n");
  decoder::beam_selector selector;
  for (const std::size_t width : {64U, 256U, 512U}) {
    std::vector<double> shares, ratios;
    for (int seed = 1; seed <= seeds; ++seed) {
      const auto all = gaussian_lists(static_cast<std::uint64_t>(seed), width);
      std::vector<std::uint64_t> keys;
      const auto heap = [&] {
        selector.start(width);
        for (const auto& l : all) selector.take(l);
        static_cast<void>(selector.finish());
      };
      const auto sort = [&] {
        keys.clear();
        for (const auto& l : all) keys.insert(keys.end(), l.begin(), l.end());
        std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(width), keys.end(),
                          std::greater<>());
      };
      ratios.push_back(cpu_pairs({"heap", heap}, {"partial sort", sort}, 3).ratio.median);
      shares.push_back(100.0 * static_cast<double>(selector.visited()) / static_cast<double>(width * width));
    }
    const bench::spread share = bench::spread_of(shares), ratio = bench::spread_of(ratios);
    std::printf(
        "  width %3zu: %.2f %% (%.2f to %.2f, %d seeds); %.1f times faster than a partial sort of all (%.1f to %.1f)\n",
        width, share.median, share.low, share.high, seeds, ratio.median, ratio.low, ratio.high);
    if (width == 512) targets.push_back({"beams.visited_percent", share.high, bench::better::less, 2.5});
  }
  std::printf("\n");
}

}  // namespace beams_bench
