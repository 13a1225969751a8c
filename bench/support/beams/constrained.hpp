// Steps 2 and 3 of a beam search over 1.52 million items at width 512, from the logits to the selected beams, in four ways
// that select the same:
//
//   trie        what ships: the children of the node that a beam carries
//   dense mask  as xLLM's host path: a row of V numbers a beam, -10,000 but for the allowed tokens, added to the logits; then a
//               softmax, the best 512 of V in order, and the heap. With a floor besides: as above, but what cannot be selected any
//               more is left out before it is sorted, which is ours
//   probed      a hash of all prefixes, asked for each of the V tokens that might follow
//   listed      a hash from prefix to the list of what follows
#pragma once

#include "support/beams/catalogue.hpp"
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
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace beams_bench {

inline constexpr std::size_t beam_width = 512;

/// Beams behind the first step, and logits of steps 2 and 3. What is selected at step 2 is what step 3 begins with.
struct constrained_steps
{
  std::vector<std::uint32_t> codebooks{8192, 8192, 8192};
  std::vector<std::uint32_t> tuples = random_tuples(codebooks, items_of_catalogue, 1);
  decoder::catalogue items{std::make_shared<const decoder::item_trie>(codebooks, tuples)};
  hashes hash{tuples, 3};
  std::vector<float> logits[2];  ///< of steps 2 and 3: [beam_width][8192]

  struct beam
  {
    decoder::beam_score at;
    std::uint32_t tokens[3] = {};
  };
  std::vector<beam> first;
  std::vector<beam> beams, next;
  decoder::beam_selector selector;
  decoder::candidate_list list;
  std::vector<float> row;
  std::vector<std::uint64_t> mask;

  constrained_steps()
  {
    std::mt19937_64 random(2);
    std::normal_distribution<float> normal;
    for (auto& l : logits) {
      l.resize(beam_width * 8192);
      for (float& x : l) x = normal(random);
    }
    std::vector<float> start(8192);
    for (float& x : start) x = normal(random);
    selector.start(beam_width);
    selector.take(list.of({}, start, items, 0, {.most = beam_width}));
    for (const std::uint64_t key : selector.finish()) {
      const std::uint32_t token = decoder::flat_of(key);
      first.push_back(
          {{decoder::score_of(key), *items.items().child(0, 0, token), static_cast<std::uint32_t>(first.size())},
           {token, 0, 0}});
    }
  }

  /// Runs both steps with `candidates(beam, level, logits, floor)` giving a beam's keys, descending. The selected keys of step 3.
  template <class Candidates>
  std::vector<std::uint64_t> run(Candidates candidates)
  {
    beams = first;
    std::vector<std::uint64_t> last;
    for (std::uint32_t level = 1; level < 3; ++level) {
      selector.start(beam_width);
      for (const beam& b : beams) {
        const auto mine = std::span<const float>(logits[level - 1]).subspan(b.at.index * 8192, 8192);
        selector.take(candidates(b, level, mine, selector.floor()));
      }
      const auto keys = selector.finish();
      next.clear();
      for (const std::uint64_t key : keys) {
        beam b = beams[decoder::flat_of(key) / 8192];
        b.tokens[level] = decoder::flat_of(key) % 8192;
        b.at = {decoder::score_of(key), *items.items().child(level, b.at.node, b.tokens[level]),
                static_cast<std::uint32_t>(next.size())};
        next.push_back(b);
      }
      beams.swap(next);
      last.assign(keys.begin(), keys.end());
    }
    return last;
  }

  std::vector<std::uint64_t> by_trie(decoder::normaliser over = decoder::normaliser::allowed_only)
  {
    return run([&](const beam& b, std::uint32_t level, std::span<const float> l, std::uint64_t floor) {
      return list.of(b.at, l, items, level, {.over = over, .most = beam_width, .floor = floor});
    });
  }

  /// Invalid tokens stay in the race, 10,000 behind: their probabilities are 0 in float, so the same is selected as long as there
  /// are as many valid ones as beams.
  std::vector<std::uint64_t> by_dense_mask(bool floored)
  {
    row.resize(8192);
    return run([&](const beam& b, std::uint32_t level, std::span<const float> l, std::uint64_t floor) {
      std::fill(row.begin(), row.end(), -10'000.0f);
      items.allowed(level, b.at.node, [&](std::uint32_t token, std::uint32_t) { row[token] = 0; });
      for (std::size_t t = 0; t < row.size(); ++t) row[t] += l[t];
      return list.of(b.at, row, {.most = beam_width, .floor = floored ? floor : 0});
    });
  }

  std::vector<std::uint64_t> by_probing()
  {
    mask.resize(8192 / 64);
    return run([&](const beam& b, std::uint32_t level, std::span<const float> l, std::uint64_t floor) {
      std::fill(mask.begin(), mask.end(), 0);
      std::uint32_t tokens[3] = {b.tokens[0], b.tokens[1], 0};
      for (std::uint32_t t = 0; t < 8192; ++t) {
        tokens[level] = t;
        if (hash.prefixes.contains(prefix_number({tokens, level + 1}))) mask[t / 64] |= std::uint64_t{1} << t % 64;
      }
      return list.of(b.at, l, mask, {.most = beam_width, .floor = floor});
    });
  }

  std::vector<std::uint64_t> by_listing()
  {
    mask.resize(8192 / 64);
    return run([&](const beam& b, std::uint32_t level, std::span<const float> l, std::uint64_t floor) {
      std::fill(mask.begin(), mask.end(), 0);
      for (const std::uint32_t t : hash.children.at(prefix_number({b.tokens, level}))) {
        mask[t / 64] |= std::uint64_t{1} << t % 64;
      }
      return list.of(b.at, l, mask, {.most = beam_width, .floor = floor});
    });
  }
};

/// The items of two selections, whose scores may differ by rounding, since sums are taken in another order.
[[nodiscard]] inline std::size_t different(std::vector<std::uint64_t> a, std::vector<std::uint64_t> b)
{
  std::size_t count = a.size() == b.size() ? 0 : a.size() + b.size();
  for (std::size_t i = 0; count == 0 && i < a.size(); ++i) {
    const double x = static_cast<double>(decoder::score_of(a[i])), y = static_cast<double>(decoder::score_of(b[i]));
    if (x - y > 1e-4 || y - x > 1e-4) ++count;
  }
  return count;
}

inline void print_constrained(int rounds, std::vector<bench::target>& targets)
{
  constrained_steps steps;
  std::printf("Steps 2 and 3, 1.52 M items of 3 tokens of 8,192, width 512, from logits to beams\n");
  const auto ours = steps.by_trie();
  const auto race = [&](const char* name, auto other, int pairs) {
    if (different(ours, other()) != 0)
      throw std::runtime_error(std::string(name) + " selects other scores than the trie");
    const bench::paired_seconds s = cpu_pairs({"trie", [&] { steps.by_trie(); }}, {name, [&] { other(); }}, pairs);
    std::printf("  %-34s %9.3f ms  (%.3f to %.3f)   trie %.3f ms: %.1f times faster (%.1f to %.1f)\n", name,
                1e3 * s.baseline.median, 1e3 * s.baseline.low, 1e3 * s.baseline.high, 1e3 * s.subject.median,
                s.ratio.median, s.ratio.low, s.ratio.high);
    return s.ratio.median;
  };
  targets.push_back({"beams.trie_over_dense_mask",
                     race("dense mask", [&] { return steps.by_dense_mask(false); }, rounds), bench::better::more, 20});
  race("dense mask, and a floor", [&] { return steps.by_dense_mask(true); }, rounds);
  targets.push_back(
      {"beams.trie_over_probed_hash",
       race("hash probed for each token", [&] { return steps.by_probing(); }, rounds), bench::better::more, 10});
  race("hash that yields a beam's list", [&] { return steps.by_listing(); }, rounds);
  const bench::paired_seconds full =
      cpu_pairs({"allowed only", [&] { steps.by_trie(); }},
                {"all tokens", [&] { steps.by_trie(decoder::normaliser::full_vocabulary); }}, rounds);
  std::printf("  %-34s %9.3f ms: what reading every logit for the full vocabulary's softmax costs\n\n",
              "trie, full-vocabulary softmax", 1e3 * full.baseline.median);
}

}  // namespace beams_bench
