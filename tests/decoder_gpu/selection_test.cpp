// Selection on a device, its kernels on emulated blocks and plain sorts in CUB's place, beside the heap on the CPU.
#include "decoder/gpu/device_selection.hpp"
#include "decoder/search/beam_selector.hpp"
#include "decoder/search/candidate_list.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "hstu/gpu/emulated_block.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace decoder;
using namespace decoder_test;

namespace {

// CUB's place: what its sorts promise, bits and segments as they are named.
struct plain_machine
{
  std::vector<std::string> did;

  template <class Kernel>
  void launch(const Kernel& k)
  {
    hstu::gpu::run_emulated(k);
    did.emplace_back("kernel");
  }
  void zero(std::uint32_t* word) { *word = 0; }
  void sort(std::uint64_t* to, const std::uint64_t* from, std::uint32_t count, int first_bit, int last_bit)
  {
    const std::uint64_t mask = last_bit - first_bit == 64
                                   ? ~std::uint64_t{0}
                                   : ((std::uint64_t{1} << (last_bit - first_bit)) - 1) << first_bit;
    std::vector<std::uint64_t> keys(from, from + count);  // radix sorts are stable
    std::stable_sort(keys.begin(), keys.end(),
                     [&](std::uint64_t a, std::uint64_t b) { return (a & mask) > (b & mask); });
    std::copy(keys.begin(), keys.end(), to);
    did.push_back("sort " + std::to_string(count));
  }
  void sort_segments(std::uint64_t* to, const std::uint64_t* from, std::uint32_t count, std::uint32_t segments,
                     const std::uint32_t* offsets)
  {
    std::copy(from, from + count, to);
    for (std::uint32_t s = 0; s < segments; ++s) std::sort(to + offsets[s], to + offsets[s + 1], std::greater<>());
    did.push_back("segments " + std::to_string(segments));
  }
};

struct selected
{
  std::vector<std::uint32_t> parents, tokens, nodes;
  std::vector<float> scores;
};

// A step of some beams at a level of a catalogue.
struct scene
{
  std::shared_ptr<const item_trie> trie;
  std::vector<std::uint64_t> bits;
  std::shared_ptr<const catalogue> items;
  std::uint32_t level;
  std::vector<beam_score> beams;
  std::vector<float> logits;
  std::vector<std::uint32_t> level_tokens;  // of all nodes of the next level

  scene(std::mt19937_64& random, bool some, std::uint32_t at, std::uint32_t width) : level(at)
  {
    static const std::uint32_t codebooks[] = {50, 60, 70};
    trie = random_trie(random(), codebooks, 4000);
    bits.resize((trie->items() + 63) / 64);
    for (std::uint64_t& word : bits) word = random() & random() & random();
    items = some ? std::make_shared<const catalogue>(std::make_shared<const eligible_items>(trie, bits, trie->items()))
                 : std::make_shared<const catalogue>(trie);
    std::normal_distribution<float> normal;
    for (std::uint32_t b = 0; b < width; ++b) {
      beams.push_back({normal(random), static_cast<std::uint32_t>(random() % trie->nodes(level)), b});
    }
    logits.resize(width * std::size_t{codebooks[level]});
    for (float& x : logits) x = normal(random);
    for (std::uint32_t node = 0; node < trie->nodes(level); ++node) {
      const auto below = trie->children_of(level, node).tokens;
      level_tokens.insert(level_tokens.end(), below.begin(), below.end());
    }
  }
};

selected on_device(const scene& s, const list_options& how, std::uint32_t width, std::uint32_t pre_cut, bool ascending,
                   plain_machine& machine)
{
  const auto count = static_cast<std::uint32_t>(s.beams.size());
  const std::uint32_t codebook = s.trie->codebooks()[s.level];
  std::vector<float> scores;
  std::vector<std::uint32_t> begins, offsets{0};
  for (const beam_score& b : s.beams) {
    const auto below = s.trie->children_of(s.level, b.node);
    scores.push_back(b.score);
    begins.push_back(below.first);
    offsets.push_back(offsets.back() + static_cast<std::uint32_t>(below.tokens.size()));
  }
  const std::uint32_t candidates = offsets.back();
  // The bits of the level's nodes, as eligible_items keeps them.
  std::vector<std::uint64_t> eligible((s.level_tokens.size() + 63) / 64);
  for (std::uint32_t node = 0; node < s.trie->nodes(s.level); ++node) {
    s.items->allowed(s.level, node, [&](std::uint32_t, std::uint32_t child) {
      eligible[child / 64] |= std::uint64_t{1} << child % 64;
    });
  }
  std::vector<std::uint64_t> keys(candidates), sorted(candidates), cut(2 * std::size_t{count} * pre_cut), best(width);
  selected out{std::vector<std::uint32_t>(width, 77), std::vector<std::uint32_t>(width, 77),
               std::vector<std::uint32_t>(width, 77), std::vector<float>(width)};
  std::uint32_t found = 99;
  gpu::selection_step step;
  step.candidates.last_row = count;
  step.candidates.logits = s.logits.data();
  step.candidates.scores = scores.data();
  step.candidates.tokens = s.level_tokens.data();
  step.candidates.begins = begins.data();
  step.candidates.offsets = offsets.data();
  step.candidates.eligible = eligible.data();
  step.candidates.keys = keys.data();
  step.candidates.codebook = codebook;
  step.candidates.full_vocabulary = how.over == normaliser::full_vocabulary;
  step.candidates_count = candidates;
  step.width = width;
  step.pre_cut = pre_cut;
  step.ascending_parents = ascending;
  step.sorted = sorted.data();
  step.cut = cut.data();
  step.keys = best.data();
  step.parents = out.parents.data();
  step.tokens = out.tokens.data();
  step.nodes = out.nodes.data();
  step.scores = out.scores.data();
  step.found = &found;
  gpu::select(machine, step);
  REQUIRE(found <= width);
  for (std::uint32_t i = found; i < width; ++i) REQUIRE(out.parents[i] == 77);  // untouched behind the last
  out.parents.resize(found);
  out.tokens.resize(found);
  out.nodes.resize(found);
  out.scores.resize(found);
  return out;
}

}  // namespace

TEST_CASE("selection on a device: the same beams as on the CPU, in the order that is asked for")
{
  std::mt19937_64 random(1);
  int whole = 0;
  for (int round = 0; round < 60; ++round) {
    const std::uint32_t width = round % 7 == 0 ? 600 : 1 + static_cast<std::uint32_t>(random() % 40);
    const auto beams = 1 + static_cast<std::uint32_t>(random() % 30);
    const scene s(random, round % 2 == 1, static_cast<std::uint32_t>(round % 3), beams);
    const std::uint32_t pre_cut = round % 4 == 0 ? 1 + static_cast<std::uint32_t>(random() % 5) : 0;
    const bool ascending = round % 5 < 2;
    const list_options how{.over = round % 6 < 3 ? normaliser::allowed_only : normaliser::full_vocabulary,
                           .most = pre_cut};
    plain_machine machine;
    const selected mine = on_device(s, how, width, pre_cut, ascending, machine);

    const std::uint32_t codebook = s.trie->codebooks()[s.level];
    std::vector<std::uint64_t> all;
    candidate_list list;
    for (const beam_score& b : s.beams) {
      const auto logits = std::span<const float>(s.logits).subspan(std::size_t{b.index} * codebook, codebook);
      const auto keys = list.of(b, logits, *s.items, s.level, how);
      all.insert(all.end(), keys.begin(), keys.end());
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    const bool near = all.size() > width && score_of(all[width - 1]) - score_of(all[width]) < 1e-4f;
    if (all.size() > width) all.resize(width);
    REQUIRE(mine.parents.size() == all.size());
    if (near || pre_cut != 0) {  // rounding may select others: then by their scores alone
      std::vector<float> scores = mine.scores;
      std::sort(scores.begin(), scores.end(), std::greater<>());
      for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(std::abs(scores[i] - score_of(all[i])) < 1e-4f);
    } else {
      ++whole;
      if (ascending) std::sort(all.begin(), all.end(), [](auto a, auto b) { return flat_of(a) < flat_of(b); });
      std::vector<std::uint32_t> expected, got;
      for (std::size_t i = 0; i < all.size(); ++i) {
        expected.push_back(flat_of(all[i]));
        got.push_back(mine.parents[i] * codebook + mine.tokens[i]);
        if (!ascending) REQUIRE(std::abs(mine.scores[i] - score_of(all[i])) < 1e-4f);
      }
      if (ascending) REQUIRE(got == expected);
      std::sort(expected.begin(), expected.end());
      std::sort(got.begin(), got.end());
      REQUIRE(got == expected);
    }
    for (std::size_t i = 0; i < mine.parents.size(); ++i) {
      REQUIRE(s.trie->child(s.level, s.beams[mine.parents[i]].node, mine.tokens[i]) == mine.nodes[i]);
      if (i != 0 && ascending) REQUIRE(mine.parents[i - 1] <= mine.parents[i]);
      if (i != 0 && !ascending) REQUIRE(mine.scores[i - 1] >= mine.scores[i]);
    }
  }
  CHECK(whole >= 30);
}

TEST_CASE("selection on a device: without a catalogue, ties, -infinity and NaN as on the CPU")
{
  constexpr float infinite = std::numeric_limits<float>::infinity();
  const std::uint32_t codebook = 70;
  std::vector<float> logits(3 * codebook, -infinite);  // beam 0: nothing has any probability
  for (std::uint32_t t = 0; t < codebook; ++t) logits[codebook + t] = t % 2 == 0 ? 1.0f : -0.0f;  // beam 1: ties
  for (std::uint32_t t = 0; t < codebook; ++t) logits[2 * codebook + t] = 0.0f;
  logits[2 * codebook + 69] = std::numeric_limits<float>::quiet_NaN();  // beam 2: unknown
  const float scores[] = {0, -1, -1};
  const std::uint32_t offsets[] = {0, 70, 140, 210};
  std::vector<std::uint64_t> keys(210);
  gpu::candidate_keys_kernel k;
  k.last_row = 3;
  k.logits = logits.data();
  k.scores = scores;
  k.offsets = offsets;
  k.keys = keys.data();
  k.codebook = codebook;
  hstu::gpu::run_emulated(k);
  candidate_list list;
  for (std::uint32_t b = 0; b < 3; ++b) {
    const auto mine = std::span<const float>(logits).subspan(b * codebook, codebook);
    const auto expected = list.of({.score = scores[b], .index = b}, mine, {});
    std::sort(keys.begin() + b * codebook, keys.begin() + (b + 1) * codebook, std::greater<>());
    for (std::uint32_t i = 0; i < codebook; ++i) {
      REQUIRE(flat_of(keys[b * codebook + i]) == flat_of(expected[i]));
      const float x = score_of(keys[b * codebook + i]), y = score_of(expected[i]);
      REQUIRE((x == y || std::abs(x - y) < 1e-5f || (std::isnan(x) && std::isnan(y))));
    }
  }
}

TEST_CASE("selection on a device: one sort, and with a pre-cut a sort of each beam's candidates and of what is left")
{
  std::mt19937_64 random(3);
  const scene s(random, false, 1, 12);
  plain_machine plain, cut;
  on_device(s, {}, 10, 0, false, plain);
  on_device(s, {.most = 3}, 10, 3, true, cut);
  REQUIRE(plain.did.size() == 3);
  CHECK(plain.did[1].starts_with("sort "));
  CHECK(cut.did == std::vector<std::string>{"kernel", "segments 12", "kernel", "sort 36", "sort 10", "kernel"});
}
