// Choose policies: several compositions, one small workload, and what share of the tokens each has to compute.
//
// A composition is a type. Exchange one parameter and measure again; nothing else in the program changes. What belongs to
// one memory stands with that memory: what comes down to it, how much of a victim goes, whose policy chooses victims.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include "policies/clock.hpp"
#include "tiers/mapped_file.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

using namespace kvstrata;
using D = emulated_device;

// The space in a few points. The last parameter is a tracker; here one that counts.
using device_only = device_only_cache<D, lru, counters>;
using naive = cache<tier_stack<device_slab<D>, pinned_arena<page_write_through>>, paged_layout,
                    immediate_transfer<per_page_copy>, lru, counters>;
using paper = mtserve_cache<D, counters>;      // whole chunks down, whole users out
using ours = default_cache<D, lru, counters>;  // tokens down, fronts out
using ours_by_clock = default_cache<D, example::clock, counters>;
using mixed = cache<tier_stack<device_slab<D, evict_whole, replaced_by<example::clock>>,  // a tier may have its own
                               pinned_arena<page_write_through, evict_front>>,
                    hybrid_layout, layerwise_transfer<coalesced_copy>, lru, counters>;

// Three memories. The arena gets every token as it is committed, the file only what leaves the arena. A type derived from
// the stack gives it a short name in messages.
struct three_memories : tier_stack<device_slab<D>, pinned_arena<token_write_through>, example::mapped_file<write_back>>
{
};
using three = cache<three_memories, hybrid_layout, layerwise_transfer<batched_copy<>>, lru, counters>;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr token_count page_tokens = 32;
constexpr std::size_t page = page_bytes(kv_shape, page_tokens);

// 300 batches of 4 of 40 users; a few users ask much more often than the rest, and every history grows.
std::vector<std::vector<request>> make_workload()
{
  std::mt19937 random(42);
  std::vector<token_count> history(40, 300);
  std::vector<std::vector<request>> batches(300);
  for (std::vector<request>& batch : batches) {
    while (batch.size() < 4) {
      const std::size_t draw = random() % 1600;
      const std::size_t user = draw * draw / 64000;  // squares crowd at 0
      if (std::any_of(batch.begin(), batch.end(), [&](const request& r) { return to_number(r.user) == user; }))
        continue;
      history[user] += static_cast<token_count>(random() % 50);
      batch.push_back({.user = user_id{user}, .history_tokens = history[user]});
    }
  }
  return batches;
}

std::uint64_t tokens_of(const counters::snapshot& seen)
{
  return std::accumulate(seen.served_tokens.begin(), seen.served_tokens.end(), seen.computed_tokens);
}

template <class Cache>
counters::snapshot serve(const char* name, const std::vector<std::vector<request>>& batches)
{
  // Virtual time over a modelled link, without data: a day's work in no time, the same on every machine.
  D device({.time = time_mode::virtual_time, .to_device = {10e9, 8e-6}, .from_device = {10e9, 8e-6}, .data = false});
  const stream_id compute = device.create_stream("compute");
  typename Cache::config sizes{.shape = kv_shape};
  std::get<0>(sizes.tiers).bytes = 300 * page;
  constexpr std::size_t levels = std::tuple_size_v<decltype(sizes.tiers)>;
  if constexpr (levels > 1) std::get<1>(sizes.tiers).bytes = 700 * page;
  if constexpr (levels > 2) std::get<2>(sizes.tiers).bytes = 1500 * page;
  Cache cache(device, sizes);

  for (const std::vector<request>& batch : batches) {
    auto lease = cache.prepare(batch, compute).value();
    token_count computed = 0;
    for (std::size_t r = 0; r < lease.size(); ++r) computed += lease.sources(r).computed;
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = 20e-6 + 1e-6 * computed}, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    lease.release();
    device.wait_sync(device.record(compute));  // the answer goes out before the next batch comes in
  }
  cache.drain_sync();

  const counters::snapshot seen = cache.tracker().read();
  const auto share = [all = static_cast<double>(tokens_of(seen))](std::uint64_t tokens) {
    return 100 * static_cast<double>(tokens) / all;
  };
  std::printf("%-28s", name);
  for (level_index level = 0; level < 3; ++level) std::printf(" %9.1f", share(seen.served_tokens[level]));
  std::printf(" %10.1f %9llu %9.1f\n", share(seen.computed_tokens),
              static_cast<unsigned long long>(seen.onload_copies + seen.offload_copies),
              1e3 * device.now() / static_cast<double>(batches.size()));
  return seen;
}

int main()
{
  const auto batches = make_workload();
  std::printf("%-28s %9s %9s %9s %10s %9s %9s\n", "", "level 0 %", "level 1 %", "level 2 %", "computed %", "copies",
              "ms/batch");
  const auto a = serve<device_only>("slab only", batches);
  const auto b = serve<naive>("pages, copied and waited for", batches);
  const auto c = serve<paper>("as MTServe does it", batches);
  const auto d = serve<ours>("our default", batches);
  const auto e = serve<ours_by_clock>("our default by CLOCK", batches);
  const auto f = serve<mixed>("CLOCK above, LRU below", batches);
  const auto g = serve<three>("a file below the arena", batches);

  bool right = a.served_tokens[1] == 0;
  for (const counters::snapshot& s : {b, c, d, e, f, g}) {
    right = right && tokens_of(s) == tokens_of(a);           // the same work for everybody
    right = right && s.computed_tokens < a.computed_tokens;  // a memory below saves some of it
  }
  right = right && d.computed_tokens < c.computed_tokens;  // no tail is lost at eviction
  right = right && d.onload_copies * 2 < b.onload_copies;  // runs take fewer copies than pages
  right =
      right && g.computed_tokens < d.computed_tokens && g.served_tokens[2] != 0;  // the file keeps who left the arena
  std::puts(right ? "Every composition did the same work." : "FAILED: the figures contradict each other");
  return right ? 0 : 1;
}
