// The shipped selectors and one of a third party under the suite; what each prefers; shares and windows.
#include "recompute/selector_conformance.hpp"

#include "support/sentence_of.hpp"

#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

// As a third party would write one: what is attended to, in its block.
struct most_attended
{
  static constexpr std::string_view name = "most_attended";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = true;
  static constexpr bool reads_changes = false;
  void score(const token_readings& readings, std::span<float> to) const
  {
    each_reused(readings.blocks,
                [&](token_count p, token_count, const reused_block&) { to[p] = readings.attention[p]; });
  }
};

// Two blocks of items and one of history, of 10 tokens each; tokens 0, 11 and 22 are nobody's.
struct three_blocks
{
  std::vector<reused_block> blocks{{1, 10}, {12, 10}, {23, 10, block_group::history}};
  std::vector<float> attention = std::vector<float>(40, 1.0F);
  std::vector<token_change> keys = std::vector<token_change>(40), values = std::vector<token_change>(40);

  template <class S>
  std::set<token_count> chosen(const S& selector, const recompute_shares& shares) const
  {
    token_chooser chooser;
    return tokens_in(chooser.choose(
        selector, {.blocks = blocks, .attention = attention, .keys = keys, .values = values}, shares, 40));
  }
};

}  // namespace

TEST_CASE("selectors under the suite", "[recompute]")
{
  SECTION("none") { selector_conformance(recompute::none{}); }
  SECTION("first_k") { selector_conformance(recompute::first_k{}); }
  SECTION("k_deviation") { selector_conformance(recompute::k_deviation{}); }
  SECTION("v_deviation") { selector_conformance(recompute::v_deviation{}); }
  SECTION("attention_and_divergence") { selector_conformance(recompute::attention_and_divergence{}); }
  SECTION("attention alone") { selector_conformance(recompute::attention_and_divergence(0)); }
  SECTION("random") { selector_conformance(recompute::random{}); }
  SECTION("a third party's") { selector_conformance(most_attended{}); }
}

TEST_CASE("selectors: what each takes first", "[recompute]")
{
  three_blocks bed;
  using set = std::set<token_count>;
  CHECK(bed.chosen(recompute::none{}, recompute_shares::of(1)).empty());
  CHECK(bed.chosen(recompute::first_k{}, recompute_shares::of(0.1F)) == set{1, 12, 23});
  CHECK(bed.chosen(recompute::first_k{}, {.items = 0.15F}) == set{1, 12, 2});  // the earlier of equals
  bed.keys[15] = {9, 1};
  bed.keys[5] = {4, 3};
  bed.values[17] = {9, 1};
  bed.attention[8] = 7;
  CHECK(bed.chosen(recompute::k_deviation{}, {.items = 0.1F}) == set{5, 15});
  CHECK(bed.chosen(recompute::v_deviation{}, {.items = 0.05F}) == set{17});
  CHECK(bed.chosen(recompute::attention_and_divergence(0), {.items = 0.05F}) == set{8});
  CHECK(bed.chosen(recompute::attention_and_divergence(1), {.items = 0.05F}) == set{5});  // by absolute values
  CHECK(bed.chosen(recompute::attention_and_divergence(0.5F), {.items = 0.1F}) == set{5, 8});
  bed.values[5].absolute = 30;
  CHECK(bed.chosen(recompute::attention_and_divergence(0.6F), {.items = 0.05F}) == set{5});
}

TEST_CASE("selectors: groups have shares of their own, and the window comes first", "[recompute]")
{
  const three_blocks bed;
  using set = std::set<token_count>;
  CHECK(bed.chosen(recompute::first_k{}, {.items = 0, .history = 0.3F}) == set{23, 24, 25});
  CHECK(bed.chosen(recompute::first_k{}, {.items = 1, .history = 0}).size() == 20);
  // The last 12 tokens are [28, 40): of these five are in the block of history, and the nearest to the end come first.
  CHECK(bed.chosen(recompute::first_k{}, {.items = 0, .history = 0.3F, .window = 12}) == set{30, 31, 32});
  CHECK(bed.chosen(recompute::first_k{}, {.items = 0.05F, .history = 0.7F, .window = 12}) ==
        set{1, 23, 24, 28, 29, 30, 31, 32});
  CHECK(bed.chosen(recompute::first_k{}, {.items = 0.05F, .history = 0, .window = 400}) == set{21});
  CHECK(bed.chosen(recompute::random{1}, {.items = 0.3F}) != bed.chosen(recompute::random{2}, {.items = 0.3F}));
}

TEST_CASE("selectors: what is always computed anew is beside the shares, which are of the others", "[recompute]")
{
  const std::vector<reused_block> blocks{{2, 30, block_group::history}, {40, 20}, {60, 11, block_group::history}};
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    std::set<token_count> always;
    for (const reused_block& b : blocks) {
      for (token_count t = 0; t < b.tokens; ++t) {
        if (random() % 4 == 0) always.insert(b.start + t);
      }
    }
    std::vector<token_interval> intervals;
    for (const token_count p : always) {
      if (!intervals.empty() && intervals.back().end == p && random() % 2 == 0) ++intervals.back().end;
      else intervals.push_back({p, p + 1});
    }
    const recompute_shares shares{.items = 0.3F, .history = 0.15F};
    // The highest scores of each group's other tokens, by the definition.
    std::vector<float> scores(80);
    recompute::random{7}.score({.blocks = blocks}, scores);
    std::set<token_count> wanted = always;
    for (const block_group group : {block_group::items, block_group::history}) {
      std::vector<std::pair<float, token_count>> others;
      each_reused(blocks, [&](token_count p, token_count, const reused_block& b) {
        if (b.group == group && !always.contains(p)) others.emplace_back(-scores[p], p);
      });
      std::sort(others.begin(), others.end());
      const float share = group == block_group::items ? shares.items : shares.history;
      others.resize(tokens_of_share(share, static_cast<token_count>(others.size())));
      for (const auto& [score, p] : others) wanted.insert(p);
    }
    token_chooser chooser;
    std::set<token_count> mine;
    token_count least = 0;
    for (const token_interval i : chooser.choose(recompute::random{7}, {.blocks = blocks}, shares, 80, intervals)) {
      REQUIRE(i.begin >= least);
      least = i.end;
      for (token_count p = i.begin; p < i.end; ++p) mine.insert(p);
    }
    REQUIRE(mine == wanted);
    // Who computes nothing anew computes these all the same.
    std::size_t all = 0;
    for (const token_interval i : chooser.choose(recompute::none{}, {.blocks = blocks}, shares, 80, intervals))
      all += i.size();
    REQUIRE(all == always.size());
  }
}

TEST_CASE("selectors: shares that are none are refused", "[recompute]")
{
  CHECK(sentence_of<config_error>([] { check(recompute_shares{.items = 1.5F}); }) ==
        "recompute_shares.items is 1.500000, but it must be in [0, 1]");
  CHECK(sentence_of<config_error>([] { check(recompute_shares{.history = -0.25F}); }) ==
        "recompute_shares.history is -0.250000, but it must be in [0, 1]");
  CHECK_THROWS_AS(check(recompute_shares::of(std::numeric_limits<float>::quiet_NaN())), config_error);
  check(recompute_shares::of(0));
  check(recompute_shares::of(1));
  CHECK(sentence_of<config_error>([] { recompute::attention_and_divergence(2); }) ==
        "attention_and_divergence.lambda is 2.000000, but it must be in [0, 1]");
  CHECK(tokens_of_share(0.1F, 100) == 10);  // 0.1F is a little more than a tenth
  CHECK(tokens_of_share(0.3F, 10) == 3);
  CHECK(tokens_of_share(0.01F, 10) == 1);
  CHECK(tokens_of_share(1, 7) == 7);
  CHECK(tokens_of_share(0, 7) == 0);
  CHECK(tokens_of_share(1, 0) == 0);
}
