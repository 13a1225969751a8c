// The split decision in virtual time, on an H200 with PCIe 5: what it makes of one request whose whole history lies in
// host memory, against arithmetic.
#include "../../bench/support/lone_hit.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace {

using namespace kvstrata;

template <class Split>
using cache_with = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                         layerwise_transfer<coalesced_copy, Split>, lru>;

/// Fetch seconds / split seconds, where the front takes as long to compute as the rear to travel: of
/// 10 k d D + 2 k^2 D FLOP and 4 (L - k) D bytes at F FLOP/s and B bytes/s, k solves 2 k^2 + (10 d + 4 F / B) k = 4 L F / B.
double factor_by_arithmetic(const machine& m, double hidden, double tokens)
{
  const double ratio = m.flops_per_second / m.link_bytes_per_second;
  const double linear = 10 * hidden + 4 * ratio;
  const double front = (std::sqrt(linear * linear + 32 * tokens * ratio) - linear) / 4;
  return tokens / (tokens - front);
}

struct outcome
{
  bench::lone_hit fetched;
  bench::lone_hit split;
  double factor = 0;
};

outcome serve(const machine& m, token_count candidates, token_count tokens)
{
  model_shape model = bench::h200_pcie5().model;
  model.candidates = candidates;
  outcome out;
  out.fetched = bench::serve_lone_hit<cache_with<always_fetch>>(m, model, tokens, [](auto&) {});
  out.split = bench::serve_lone_hit<cache_with<split_by_cost>>(m, model, tokens, [&](auto& c) {
    c.split = {.cost = cost_model::of(m, model.hidden, model.kv), .candidates = candidates};
  });
  out.factor = out.fetched.seconds / out.split.seconds;
  return out;
}

}  // namespace

TEST_CASE("the split shortens a lone host hit by what the arithmetic says", "[transfer][time][split]")
{
  machine m = figures_of(bench::h200_pcie5());
  m.link_latency_seconds = 0;
  const double expected[] = {2.95, 2.39, 2.00, 1.70};
  int i = 0;
  for (const token_count tokens : {4'000U, 10'000U, 20'000U, 40'000U}) {
    CAPTURE(tokens);
    const double factor = factor_by_arithmetic(m, bench::h200_pcie5().model.hidden, tokens);
    CHECK(factor == Approx(expected[i++]).epsilon(0.01));
    const outcome o = serve(m, 0, tokens);
    CHECK(o.fetched.fetched == tokens);
    CHECK(o.split.fetched + o.split.computed == tokens);
    CHECK(o.split.computed % 32 == 0);
    CHECK(o.factor == Approx(factor).epsilon(0.02));  // whole pages, and the first layer
  }
}

TEST_CASE("with 512 candidates to score besides, it is less, and never a loss", "[transfer][time][split]")
{
  const double at_least[] = {2.40, 2.09, 1.84, 1.61};
  int i = 0;
  for (const token_count tokens : {4'000U, 10'000U, 20'000U, 40'000U}) {
    CAPTURE(tokens);
    const outcome o = serve(figures_of(bench::h200_pcie5()), 512, tokens);
    CHECK(o.factor >= at_least[i]);
    CHECK(o.factor < factor_by_arithmetic(figures_of(bench::h200_pcie5()), bench::h200_pcie5().model.hidden, tokens));
    CHECK(o.split.exposed_seconds < 0.35 * o.fetched.exposed_seconds);
    ++i;
  }
  for (const token_count tokens : {1U, 31U, 32U, 100U, 700U, 2'000U}) {
    CAPTURE(tokens);
    CHECK(serve(figures_of(bench::h200_pcie5()), 512, tokens).factor >= 1);
  }
}

TEST_CASE("a machine whose link is free fetches, one whose model is free computes", "[transfer][time][split]")
{
  const outcome slow_model = serve({.flops_per_second = 1e9, .link_bytes_per_second = 1e15}, 0, 4'000);
  CHECK(slow_model.split.computed == 0);
  const outcome slow_link = serve({.flops_per_second = 1e18, .link_bytes_per_second = 1e6}, 0, 4'000);
  CHECK(slow_link.split.fetched == 0);
}
