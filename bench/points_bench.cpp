// Points of the policy space beside each other, in virtual time on an H200 with PCIe 5: how default_cache was found.
//
// The workload has KuaiRand-1K's published shape: 1,500 requests of 300 users in batches of 8, histories of up to
// 40,960 tokens, two tokens an event; MTServe's model with 512 candidates, a slab of 20 GiB, an arena for 1.25 times
// all tokens. A batch is served when the one before is done; with "prefetch n" the next n batches wait in a queue, and what
// the host has of them is brought up meanwhile. No data is moved; what copy kernels take from the model's
// multiprocessors is not modelled.
//
//   latency     of a batch, from prepare until the model is done
//   exposed     the model stood still for copies, as a share of all time
//   hit         tokens that were served, from either tier; again: tokens that a tier had and that were computed anyway
#include "support/lone_hit.hpp"
#include "support/paired.hpp"

#include <kvstrata/simulate/batcher.hpp>
#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace {

using namespace kvstrata;

constexpr token_count longest = 40'960;
const machine_description& machine_at_hand = bench::h200_pcie5();
const model_shape& model = machine_at_hand.model;

using workload = std::vector<std::vector<request>>;

workload draw()
{
  const trace t = make_synthetic({.users = 300, .requests = 1'500});
  workload out;
  for (const trace_batch& batch : form_batches(t.requests, {.batch_size = 8, .window_ms = std::int64_t{1} << 40})) {
    out.emplace_back();
    for (const batched_request& r : batch.requests) {
      out.back().push_back({.user = t.users[r.asked.user], .history_tokens = (std::min)(longest, 2 * r.asked.history)});
    }
  }
  return out;
}

/// Tokens of all users at the end.
std::uint64_t working_set(const workload& w)
{
  std::vector<std::pair<user_id, token_count>> last;
  for (const auto& batch : w) {
    for (const request& r : batch) last.emplace_back(r.user, r.history_tokens);
  }
  std::sort(last.begin(), last.end());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < last.size(); ++i) {
    if (i + 1 == last.size() || last[i + 1].first != last[i].first) sum += last[i].second;
  }
  return sum;
}

const cost_model cost = cost_of(machine_at_hand);

template <class Cache, class Set>
serving_report serve(const workload& w, Set&& set, std::size_t queued)
{
  emulated_device device(device_of(machine_at_hand));
  typename Cache::config c{.shape = model.kv};
  std::get<0>(c.tiers).bytes = machine_at_hand.device_bytes;
  std::get<1>(c.tiers).bytes = working_set(w) * model.kv.token_bytes() / 4 * 5;
  set(c);
  Cache cache(device, c);
  serving_simulator sim(device, cache, cost, model.candidates);
  return sim.run_batches(w, queued);
}

double uncached_seconds(const workload& w)
{
  double sum = 0;
  for (const auto& batch : w) {
    for (const request& r : batch) {
      const token_interval all[] = {{0, r.history_tokens}};
      sum += model.kv.layers * layer_seconds(cost, model.candidates, all, r.history_tokens);
    }
  }
  return sum;
}

double uncached = 0;

void print(const char* name, const serving_report& r)
{
  const std::uint64_t served = r.served_tokens[0] + r.served_tokens[1];
  const auto tokens = static_cast<double>(served + r.computed_tokens);
  std::printf("%-44s %7.2f %8.2f %8.2f %8.1f %% %8.2f %% %8.2f %% %9llu %8.1f %8.1f\n", name, uncached / r.busy_seconds,
              1e3 * r.busy_seconds / static_cast<double>(r.batches), 1e3 * r.percentile(0.95),
              100 * r.stalled_seconds / r.seconds, 100.0 * static_cast<double>(served) / tokens,
              100.0 * static_cast<double>(r.recomputed_tokens) / tokens,
              static_cast<unsigned long long>(r.dropped_tokens), static_cast<double>(r.onload_bytes) / 1e9,
              static_cast<double>(r.offload_bytes) / 1e9);
}

template <class Shedding, class Layout, class Engine, class Writes, class... Split>
using point = cache<tier_stack<device_slab<emulated_device, Shedding>, pinned_arena<Writes, Shedding>>, Layout,
                    layerwise_transfer<Engine, Split...>, lru>;

const auto as_is = [](auto&) {};
const auto calibrated = [](auto& c) { c.split = {.cost = cost, .candidates = model.candidates}; };
const auto with_window = [](auto& c) { std::get<0>(c.tiers).window_bytes = std::size_t{4} << 30; };

template <class Cache, class Set>
void run(const workload& w, const char* name, Set&& set, std::size_t queued = 0)
{
  print(name, serve<Cache>(w, set, queued));
}

}  // namespace

int main()
{
  const workload w = draw();
  uncached = uncached_seconds(w);
  std::printf("%zu batches, %.1f million tokens in all; without a cache %.2f ms a batch\n\n", w.size(),
              static_cast<double>(working_set(w)) / 1e6, 1e3 * uncached / static_cast<double>(w.size()));
  std::printf("%-44s %7s %8s %8s %10s %10s %10s %9s %8s %8s\n", "", "speedup", "mean ms", "p95 ms", "exposed", "hit",
              "again", "dropped", "GB up", "GB down");
  // The paper's point, then one change at a time.
  run<point<evict_whole, hybrid_layout, coalesced_copy, chunk_write_through>>(w, "mtserve", as_is);
  run<point<evict_whole, hybrid_layout, window_copy<>, chunk_write_through>>(w, "mtserve, window", with_window);
  run<point<evict_whole, hybrid_layout, coalesced_copy, page_write_through>>(w, "whole, coalesced, pages", as_is);
  run<point<evict_front, hybrid_layout, coalesced_copy, page_write_through>>(w, "front, coalesced, pages", as_is);
  run<point<evict_front, hybrid_layout, per_page_copy, page_write_through>>(w, "front, per page, pages", as_is);
  run<point<evict_front, hybrid_layout, staged_copy<>, page_write_through>>(w, "front, staged, pages", as_is);
  run<point<evict_front, hybrid_layout, window_copy<>, page_write_through>>(w, "front, window, pages", with_window);
  run<point<evict_front, hybrid_layout, kernel_copy<>, page_write_through>>(w, "front, kernel (8), pages", as_is);
  run<point<evict_front, hybrid_layout, batched_copy<>, page_write_through>>(w, "front, batched, pages", as_is);
  run<point<evict_whole, hybrid_layout, batched_copy<>, page_write_through>>(w, "whole, batched, pages", as_is);
  run<point<evict_front, paged_layout, batched_copy<>, page_write_through>>(w, "front, batched, pages; paged", as_is);
  run<point<evict_whole, contiguous_layout, coalesced_copy, page_write_through>>(
      w, "contiguous, coalesced, pages", [](auto& c) {
        c.layout.longest = longest;
        std::get<1>(c.tiers).bytes *= 3;  // a range a user, however short their history is
      });
  run<point<evict_front, hybrid_layout, batched_copy<>, token_write_through>>(w, "front, batched, tokens", as_is);
  run<point<evict_front, hybrid_layout, batched_copy<>, write_back>>(w, "front, batched, write_back", as_is);
  run<point<evict_front, hybrid_layout, batched_copy<>, write_back>>(
      w, "front, batched, write_back, cleaner 20/10 %",
      [](auto& c) { c.writes = {.clean_above = 0.2, .clean_below = 0.1}; });
  run<point<evict_front, hybrid_layout, batched_copy<>, token_write_through, split_by_cost>>(
      w, "front, batched, tokens, split", calibrated);
  run<point<evict_whole, hybrid_layout, batched_copy<>, token_write_through, split_by_cost>>(
      w, "whole, batched, tokens, split", calibrated);
  run<point<evict_front, hybrid_layout, batched_copy<>, token_write_through>>(w, "front, batched, tokens, prefetch 1",
                                                                              as_is, 1);
  run<point<evict_front, hybrid_layout, batched_copy<>, token_write_through>>(w, "front, batched, tokens, prefetch 3",
                                                                              as_is, 3);
  run<point<evict_front, hybrid_layout, batched_copy<>, token_write_through, split_by_cost>>(
      w, "front, batched, tokens, split, prefetch 3", calibrated, 3);
}
