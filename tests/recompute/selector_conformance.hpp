// What every token selector must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my selector") { kvstrata_test::selector_conformance(my_selector{}); }
//
// It is given random readings, those only that it says it reads, and what it chooses is held to the shares.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/recompute/choose.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace kvstrata_test {

/// Random blocks with gaps, and random readings.
struct readings_bed
{
  std::vector<kvstrata::reused_block> blocks;
  std::vector<float> attention;
  std::vector<kvstrata::token_change> keys, values;
  kvstrata::token_count context = 0;

  explicit readings_bed(std::mt19937_64& random)
  {
    using namespace kvstrata;
    const auto count = random() % 9;
    for (std::size_t b = 0; b < count; ++b) {
      context += static_cast<token_count>(random() % 5);
      const auto tokens = static_cast<token_count>(1 + random() % 40);
      blocks.push_back({context, tokens, random() % 3 == 0 ? block_group::history : block_group::items});
      context += tokens;
    }
    context += static_cast<token_count>(random() % 20);
    const auto any = [&random] { return static_cast<float>(random() % 1000) / 64; };
    for (token_count p = 0; p < context; ++p) {
      attention.push_back(any());
      keys.push_back({any(), any()});
      values.push_back({any(), any()});
    }
  }

  template <class S>
  [[nodiscard]] kvstrata::token_readings readings() const
  {
    kvstrata::token_readings out{.blocks = blocks};
    if (S::reads_attention) out.attention = attention;
    if (S::reads_changes) {
      out.keys = keys;
      out.values = values;
    }
    return out;
  }
};

inline std::set<kvstrata::token_count> tokens_in(std::span<const kvstrata::token_interval> intervals)
{
  std::set<kvstrata::token_count> out;
  for (const auto i : intervals) {
    for (auto p = i.begin; p < i.end; ++p) out.insert(p);
  }
  return out;
}

template <kvstrata::token_selector S>
void selector_conformance(const S& selector)
{
  using namespace kvstrata;
  std::mt19937_64 random(5);
  token_chooser chooser;
  for (int round = 0; round < 60; ++round) {
    const readings_bed bed(random);
    const token_readings readings = bed.readings<S>();
    std::vector<float> scores(bed.context, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> again = scores;
    selector.score(readings, scores);
    selector.score(readings, again);
    token_count items = 0, history = 0;
    each_reused(bed.blocks, [&](token_count p, token_count, const reused_block& b) {
      REQUIRE(std::isfinite(scores[p]));
      REQUIRE(scores[p] == again[p]);
      ++(b.group == block_group::items ? items : history);
    });
    std::set<token_count> before;
    for (const float share : {0.0F, 0.1F, 0.3F, 0.5F, 1.0F}) {
      const recompute_shares shares = recompute_shares::of(share);
      const auto intervals = chooser.choose(selector, readings, shares, bed.context);
      token_count end = 0;
      for (const token_interval i : intervals) {  // ascending, and no two that touch
        REQUIRE(i.begin < i.end);
        REQUIRE((i.begin > end || (end == 0 && i.begin == 0)));
        end = i.end;
      }
      const std::set<token_count> chosen = tokens_in(intervals);
      const token_count wanted = tokens_of_share(share, items) + tokens_of_share(share, history);
      REQUIRE(chosen.size() == (S::recomputes ? wanted : 0));
      std::size_t of_blocks = 0;
      float least = std::numeric_limits<float>::infinity(), most = -least;
      each_reused(bed.blocks, [&](token_count p, token_count, const reused_block& b) {
        if (b.group != block_group::items) {
          of_blocks += chosen.contains(p);
          return;
        }
        of_blocks += chosen.contains(p);
        if (chosen.contains(p)) least = std::min(least, scores[p]);
        else most = std::max(most, scores[p]);
      });
      REQUIRE(of_blocks == chosen.size());
      if (S::recomputes) REQUIRE(least >= most);                       // nothing that is left out scores higher
      for (const token_count p : before) REQUIRE(chosen.contains(p));  // a larger share takes more, not others
      before = chosen;
    }
  }
}

}  // namespace kvstrata_test
