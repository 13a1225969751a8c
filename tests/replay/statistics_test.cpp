#include "replay/statistics.hpp"

#include "replay/break_even.hpp"
#include "support/catch.hpp"

#include <random>
#include <vector>

namespace {

/// Nearest rank by counting, the slow way.
double naive_percentile(const std::vector<double>& samples, int hundredths)
{
  double best = 0;
  bool found = false;
  for (const double candidate : samples) {
    std::size_t not_above = 0;
    for (const double other : samples) not_above += other <= candidate ? 1u : 0u;
    if (not_above * 100 < samples.size() * static_cast<std::size_t>(hundredths)) continue;
    if (!found || candidate < best) best = candidate;
    found = true;
  }
  return best;
}

}  // namespace

TEST_CASE("percentiles are those of counting", "[statistics]")
{
  std::mt19937_64 random(7);
  for (const std::size_t size : {1u, 2u, 3u, 19u, 20u, 100u, 101u}) {
    std::vector<double> samples(size);
    for (double& s : samples) s = static_cast<double>(random() % 50);
    const replay::latency_summary l = replay::summarize(samples);
    CHECK(l.count == size);
    CHECK(l.p50 == naive_percentile(samples, 50));
    CHECK(l.p95 == naive_percentile(samples, 95));
    CHECK(l.p99 == naive_percentile(samples, 99));
  }
}

TEST_CASE("a summary of 1 to 100", "[statistics]")
{
  std::vector<double> samples;
  for (int i = 100; i >= 1; --i) samples.push_back(i);
  const replay::latency_summary l = replay::summarize(samples);
  CHECK(l.mean == Approx(50.5));
  CHECK(l.p50 == 50);
  CHECK(l.p95 == 95);
  CHECK(l.p99 == 99);
  CHECK(l.max == 100);
  REQUIRE(l.cdf.size() > 100);
  CHECK(l.cdf.front().seconds == 1);
  CHECK(l.cdf.back() == replay::cdf_point{100, 1.0});
  for (std::size_t i = 1; i < l.cdf.size(); ++i) {
    CHECK(l.cdf[i].share > l.cdf[i - 1].share);
    CHECK(l.cdf[i].seconds >= l.cdf[i - 1].seconds);
  }
}

TEST_CASE("no samples are no error", "[statistics]") { CHECK(replay::summarize({}) == replay::latency_summary{}); }

TEST_CASE("cuts cover everything in parts of nearly one size", "[statistics]")
{
  for (const std::size_t count : {0u, 1u, 5u, 59u, 60u, 61u, 1000u}) {
    const std::vector<std::size_t> cuts = replay::even_cuts(count, 60);
    REQUIRE(cuts.front() == 0);
    REQUIRE(cuts.back() == count);
    CHECK(cuts.size() == std::min<std::size_t>(count, 60) + 1);
    for (std::size_t i = 1; i < cuts.size() && count != 0; ++i) {
      const std::size_t size = cuts[i] - cuts[i - 1];
      CHECK(size >= count / 60);
      CHECK(size >= 1);
      CHECK(size <= count / 60 + 1);
    }
  }
}

TEST_CASE("shares of a split", "[statistics]")
{
  replay::token_split t{{30, 15, 5}, 50};
  CHECK(t.level_share(0) == Approx(0.3));
  CHECK(t.level_share(2) == Approx(0.05));
  CHECK(t.fetched() == 20);
  CHECK(t.computed_share() == Approx(0.5));
  CHECK(t.hit_share() == Approx(0.5));
  t += replay::token_split{{}, 100};
  CHECK(t.total() == 200);
  CHECK(replay::token_split{}.hit_share() == 0);
}

TEST_CASE("at the break-even length both ways take equally long, for any element size", "[statistics]")
{
  for (const unsigned bytes : {1u, 2u, 4u}) {
    const replay::break_even b{4e11, 2e9, bytes, 16};
    REQUIRE(b.tokens() > 0);
    CHECK_FALSE(b.fetching_always_wins());
    for (const double width : {64.0, 512.0}) {
      const double recompute = replay::recompute_flops(b.tokens(), b.hidden, width) / b.flops_per_second;
      const double fetch = replay::fetch_bytes(b.tokens(), width, bytes) / b.link_bytes_per_second;
      CHECK(recompute == Approx(fetch));
    }
  }
  // The form for bf16 that the field uses: 2 F / B - 5 d.
  CHECK(replay::break_even{5e14, 5e10, 2, 1024}.tokens() == Approx(2 * 5e14 / 5e10 - 5 * 1024));
}

TEST_CASE("a slow processor on a fast link always fetches", "[statistics]")
{
  const replay::break_even b{1e11, 1e10, 4, 256};
  CHECK(b.tokens() < 0);
  CHECK(b.fetching_always_wins());
  CHECK_FALSE(replay::break_even{}.fetching_always_wins());
}
