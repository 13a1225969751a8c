// The split decision in virtual time, on an H200 with PCIe 5: what it makes of one request whose whole history lies in
// host memory, against arithmetic, and of batches, against fetching.
#include "../../bench/support/lone_hit.hpp"
#include "support/catch.hpp"

#include <kvstrata/transfer/two_pointers.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;

template <class Split>
using cache_with = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                         layerwise_transfer<batched_copy<>, Split>, lru>;

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

struct batch_of
{
  std::vector<token_count> hits;    ///< tokens of users whose whole history lies in the arena
  std::vector<token_count> misses;  ///< of users of whom nothing is cached
  double busy_seconds = 0;          ///< the model has so much to do before
  bool told = true;                 ///< and the cache is told so
};

struct batch_outcome
{
  double seconds = 0;  ///< from prepare until the model is done with the batch
  std::uint64_t recomputed = 0;
};

template <class Split>
batch_outcome serve_batch(const batch_of& b)
{
  const machine_description& m = bench::h200_pcie5();
  const cost_model cost = cost_of(m);
  emulated_device device(device_of(m));
  using cache_type = cache_with<Split>;
  typename cache_type::config c{.shape = m.model.kv};
  if constexpr (requires { c.split.cost; }) c.split.cost = cost;
  if constexpr (requires { c.split.candidates; }) c.split.candidates = m.model.candidates;
  token_count all = 0;
  for (const token_count tokens : b.hits) all += tokens;
  for (const token_count tokens : b.misses) all += tokens;
  std::get<0>(c.tiers).bytes = (all / 32 + 64) * page_bytes(m.model.kv, 32);
  std::get<1>(c.tiers).bytes = 4 * std::get<0>(c.tiers).bytes;
  cache_type cache(device, c);
  const stream_id compute = device.create_stream("compute");
  std::vector<request> hits;
  for (const token_count tokens : b.hits) hits.push_back({.user = user_id{hits.size()}, .history_tokens = tokens});
  const std::vector<request> others{{.user = user_id{1000}, .history_tokens = all}};  // pushes them out
  std::vector<request> batch = hits;
  for (const token_count tokens : b.misses) batch.push_back({.user = user_id{batch.size()}, .history_tokens = tokens});
  batch_outcome out;
  for (const std::vector<request>* one : {&std::as_const(hits), &others, &std::as_const(batch)}) {
    cache.drain_sync();
    device.wait_sync(device.record(compute));
    const double begin = device.now();
    const bool last = one == &batch;
    if (last) device.launch(compute, {.label = "before", .seconds = b.busy_seconds}, [] {});
    const double before = last && b.told ? b.busy_seconds : 0;
    auto lease = cache.prepare(*one, compute, {.queued = {.model_seconds = before}}).value();
    queue_model(device, compute, lease, cost, m.model.candidates);
    out.recomputed = 0;
    for (const request_plan& r : lease.plan().requests) out.recomputed += r.recomputed.size();
    lease.commit();
    lease.release();
    device.wait_sync(device.record(compute));
    out.seconds = device.now() - begin;
  }
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

TEST_CASE("a batch of hits is split as one: quicker than fetched, and than computing some whole",
          "[transfer][time][split]")
{
  const batch_of b{.hits = {3'000, 6'000, 12'000, 24'000}, .misses = {}};
  const batch_outcome fetched = serve_batch<always_fetch>(b);
  const batch_outcome whole = serve_batch<fetch_or_recompute>(b);
  const batch_outcome split = serve_batch<split_by_cost>(b);
  CHECK(split.seconds < 0.6 * fetched.seconds);
  CHECK(split.seconds < 0.95 * whole.seconds);
  CHECK(whole.seconds < fetched.seconds);
  CHECK(split.seconds < serve_batch<two_pointers>(b).seconds);  // which compute for the candidates as if that were free
  CHECK(split.seconds < serve_batch<batch_two_pointers>(b).seconds);
}

TEST_CASE("beside a miss that the model computes anyway, nothing is computed again", "[transfer][time][split]")
{
  const batch_of b{.hits = {8'000, 10'000, 12'000}, .misses = {40'000}};
  const batch_outcome fetched = serve_batch<always_fetch>(b);
  const batch_outcome split = serve_batch<split_by_cost>(b);
  CHECK(split.recomputed == 0);
  CHECK(split.seconds == fetched.seconds);
  CHECK(serve_batch<two_pointers>(b).seconds > 1.05 * fetched.seconds);  // who judges each user alone loses
  CHECK(serve_batch<fetch_or_recompute>(b).recomputed == 0);
}

TEST_CASE("a split that knows of the model's queue fetches meanwhile", "[transfer][time][split]")
{
  batch_of b{.hits = {8'000, 10'000, 12'000}, .misses = {}, .busy_seconds = 0.05};
  const batch_outcome fetched = serve_batch<always_fetch>(b);
  const batch_outcome knows = serve_batch<split_by_cost>(b);
  b.told = false;
  const batch_outcome guesses = serve_batch<split_by_cost>(b);
  CHECK(knows.recomputed == 0);
  CHECK(knows.seconds == fetched.seconds);
  CHECK(guesses.recomputed > 0);
  CHECK(guesses.seconds > 1.02 * knows.seconds);
}
