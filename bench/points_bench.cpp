// Points of the policy space beside each other, in virtual time on an H200 with PCIe 5: how default_cache was found.
//
// The workload has KuaiRand-1K's published shape: 1,500 requests of 300 users in batches of 8, histories of up to
// 40,960 tokens, two tokens an event; MTServe's model with 512 candidates, a slab of 20 GiB, a host tier for 1.25 times
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
using bench::model_shape;

constexpr token_count longest = 40'960;
constexpr const model_shape& model = bench::mtserve_shape;

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

const cost_model cost = cost_model::of(bench::h200_pcie5, model.hidden, model.kv);

struct figures
{
  std::vector<double> latencies;
  double seconds = 0;
  double exposed = 0;
  std::uint64_t tokens = 0;
  std::uint64_t computed = 0;
  std::uint64_t recomputed = 0;
  std::uint64_t dropped = 0;
  double gigabytes_up = 0;
  double gigabytes_down = 0;
};

template <class Cache, class Set>
figures serve(const workload& w, Set&& set, std::size_t queued)
{
  emulated_device device(bench::h200_device());
  typename Cache::config c{.shape = model.kv};
  c.device.bytes = std::size_t{20} << 30;
  c.host.bytes = working_set(w) * model.kv.token_bytes() / 4 * 5;
  set(c);
  Cache cache(device, c);
  const stream_id compute = device.create_stream("compute");
  figures out;
  for (std::size_t b = 0; b < w.size(); ++b) {
    const double begin = device.now();
    auto lease = cache.prepare(w[b], compute).value();
    double front = 0, rest = 0;
    for (std::size_t r = 0; r < w[b].size(); ++r) {
      const double first = cost.compute_seconds(lease.front(r));
      front += first;
      rest += bench::layer_seconds(cost, model, lease.compute(r), w[b][r].history_tokens) - first;
      const request_plan& plan = lease.plan().requests[r];
      out.tokens += plan.history;
      out.computed += plan.computed_tokens();
      out.recomputed += plan.recomputed.size();
    }
    for (std::size_t next = b + 1; next <= b + queued && next < w.size(); ++next) {
      for (const request& r : w[next]) static_cast<void>(cache.prefetch(r));
    }
    for (layer_index l = 0; l < model.kv.layers; ++l) {
      if (front > 0) device.launch(compute, {.label = "front", .seconds = front}, [] {});
      lease.wait(l);
      device.launch(compute, {.label = "layer", .seconds = rest}, [] {});
      lease.layer_done(l);
    }
    lease.commit();
    lease.release();
    device.wait_sync(device.record(compute));
    out.latencies.push_back(device.now() - begin);
  }
  cache.drain_sync();
  out.seconds = device.now();
  const auto done = device.stats();
  out.exposed = done.streams[static_cast<std::size_t>(compute)].stall_seconds / out.seconds;
  out.dropped = cache.stats().device.dropped_tokens;
  out.gigabytes_up = static_cast<double>(done.to_device.bytes) / 1e9;
  out.gigabytes_down = static_cast<double>(done.from_device.bytes) / 1e9;
  return out;
}

double uncached_seconds(const workload& w)
{
  double sum = 0;
  for (const auto& batch : w) {
    for (const request& r : batch) {
      const token_interval all[] = {{0, r.history_tokens}};
      sum += model.kv.layers * bench::layer_seconds(cost, model, all, r.history_tokens);
    }
  }
  return sum;
}

double uncached = 0;

void print(const char* name, const figures& f)
{
  std::vector<double> sorted = f.latencies;
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (const double seconds : sorted) sum += seconds;
  std::printf("%-44s %7.2f %8.2f %8.2f %8.1f %% %8.2f %% %8.2f %% %9llu %8.1f %8.1f\n", name, uncached / sum,
              1e3 * sum / static_cast<double>(sorted.size()), 1e3 * sorted[sorted.size() * 95 / 100], 100 * f.exposed,
              100.0 * static_cast<double>(f.tokens - f.computed) / static_cast<double>(f.tokens),
              100.0 * static_cast<double>(f.recomputed) / static_cast<double>(f.tokens),
              static_cast<unsigned long long>(f.dropped), f.gigabytes_up, f.gigabytes_down);
}

template <class Shedding, class Layout, class... Options>
using point = cache<tier_stack<device_slab<emulated_device, Shedding>, pinned_arena<Shedding>>, Layout,
                    layerwise_transfer<Options...>, lru>;

const auto as_is = [](auto&) {};
const auto calibrated = [](auto& c) { c.split = {.cost = cost, .candidates = model.candidates}; };
const auto with_window = [](auto& c) { c.device.window_bytes = std::size_t{4} << 30; };

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
        c.host.bytes *= 3;  // a range a user, however short their history is
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
