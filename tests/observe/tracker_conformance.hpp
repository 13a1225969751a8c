// What every tracker must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my tracker")
//   {
//     kvstrata_test::tracker_conformance<my_tracker>([](my_tracker& mine, const kvstrata_test::tally& seen) {
//       REQUIRE(mine.batches() == seen.batches);
//     });
//   }
//
// The same seeded workload runs in two caches on two devices in virtual time, one watched by the tracker and one by a
// tally: both must do the same, and the tally says what the tracker has been told.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Adds up every event there is, without cleverness.
struct tally
{
  std::uint64_t batches = 0, requests = 0, device_tokens = 0, lower_tokens = 0, computed_tokens = 0;
  std::uint64_t recomputed_tokens = 0, prefetched_read = 0;
  std::uint64_t commits = 0, committed_tokens = 0;
  std::uint64_t onloads = 0, onload_bytes = 0, onload_copies = 0, onload_pieces = 0;
  std::uint64_t offloads = 0, offload_bytes = 0, offload_copies = 0, offload_pieces = 0;
  std::uint64_t promotions = 0, promoted_bytes = 0, promoted_copies = 0, promoted_pieces = 0;
  std::uint64_t device_evicted = 0, device_dropped = 0, device_unread = 0;
  std::uint64_t lower_evicted = 0, lower_dropped = 0, lower_unread = 0;
  std::uint64_t rewritten = 0, widened = 0, passed = 0, overwritten = 0, stranded = 0;
  std::uint64_t refused = 0, refused_held = 0, refused_full = 0, refused_apart = 0, refused_at_door = 0;
  std::uint64_t delays = 0, delayed = 0, cleanings = 0, cleaned = 0, pressure = 0;
  std::uint64_t prefetches = 0, prefetched = 0, displaced = 0, undoings = 0, undone = 0;
  std::uint64_t device_hit_tokens = 0, lower_hit_tokens = 0;
  std::uint64_t prepare_calls = 0, commit_calls = 0, release_calls = 0, prefetch_calls = 0, erase_calls = 0;
  std::uint64_t clean_calls = 0;
  std::uint64_t calls = 0, calls_over = 0;
  bool calls_nest = false;
  std::vector<std::uint64_t> device_hit_ages, lower_hit_ages, device_eviction_ages, lower_eviction_ages;

  void on(const kvstrata::call_began& e) noexcept
  {
    calls_nest |= calls != calls_over;
    ++calls;
    prepare_calls += e.call == kvstrata::call_name::prepare;
    commit_calls += e.call == kvstrata::call_name::commit;
    release_calls += e.call == kvstrata::call_name::release;
    prefetch_calls += e.call == kvstrata::call_name::prefetch;
    erase_calls += e.call == kvstrata::call_name::erase;
    clean_calls += e.call == kvstrata::call_name::clean;
  }
  void on(const kvstrata::call_ended&) noexcept { ++calls_over; }
  void on(const kvstrata::batch_prepared& e) noexcept
  {
    ++batches;
    requests += e.requests;
    device_tokens += e.device_tokens;
    lower_tokens += e.lower_tokens;
    computed_tokens += e.computed_tokens;
    recomputed_tokens += e.recomputed_tokens;
    prefetched_read += e.prefetched_tokens;
  }
  void on(const kvstrata::user_hit& e) noexcept
  {
    const bool device = e.level == kvstrata::tier_level::device;
    (device ? device_hit_tokens : lower_hit_tokens) += e.tokens;
    (device ? device_hit_ages : lower_hit_ages).push_back(e.age);
  }
  void on(const kvstrata::batch_committed& e) noexcept
  {
    ++commits;
    committed_tokens += e.tokens;
  }
  void on(const kvstrata::bytes_onloaded& e) noexcept
  {
    ++onloads;
    onload_bytes += e.bytes;
    onload_copies += e.copies;
    onload_pieces += e.pieces;
  }
  void on(const kvstrata::bytes_offloaded& e) noexcept
  {
    ++offloads;
    offload_bytes += e.bytes;
    offload_copies += e.copies;
    offload_pieces += e.pieces;
  }
  void on(const kvstrata::bytes_promoted& e) noexcept
  {
    ++promotions;
    promoted_bytes += e.bytes;
    promoted_copies += e.copies;
    promoted_pieces += e.pieces;
  }
  void on(const kvstrata::tokens_evicted& e) noexcept
  {
    const bool device = e.from == kvstrata::tier_level::device;
    (device ? device_evicted : lower_evicted) += e.tokens;
    (device ? device_dropped : lower_dropped) += e.dropped;
    (device ? device_unread : lower_unread) += e.unread;
    (device ? device_eviction_ages : lower_eviction_ages).push_back(e.age);
  }
  void on(const kvstrata::tokens_forgotten& e) noexcept
  {
    rewritten += e.rewritten;
    widened += e.widened;
    passed += e.passed;
    overwritten += e.overwritten;
    stranded += e.stranded;
  }
  void on(const kvstrata::offload_refused& e) noexcept
  {
    refused += e.tokens;
    if (e.why == kvstrata::refusal::held) refused_held += e.tokens;
    if (e.why == kvstrata::refusal::full) refused_full += e.tokens;
    if (e.why == kvstrata::refusal::apart) refused_apart += e.tokens;
    if (e.why == kvstrata::refusal::not_admitted) refused_at_door += e.tokens;
  }
  void on(const kvstrata::write_delayed& e) noexcept
  {
    ++delays;
    delayed += e.tokens;
  }
  void on(const kvstrata::tokens_cleaned& e) noexcept
  {
    ++cleanings;
    cleaned += e.tokens;
  }
  void on(const kvstrata::prefetch_queued& e) noexcept
  {
    ++prefetches;
    prefetched += e.tokens;
    displaced += e.displaced;
  }
  void on(const kvstrata::prefetch_undone& e) noexcept
  {
    ++undoings;
    undone += e.tokens;
  }
  void on(const kvstrata::pressure_met&) noexcept { ++pressure; }
};

/// What a workload asked of a cache and what came of it, seen from outside.
struct workload_outcome
{
  std::uint64_t batches = 0, requests = 0, history_tokens = 0, computed_tokens = 0, turned_away = 0;
  std::uint64_t prepare_calls = 0, prefetch_calls = 0, erase_calls = 0, clean_calls = 0;
  std::uint64_t prefetches = 0, prefetched = 0, displaced = 0, undone = 0, cleaned = 0;
  kvstrata::device_counters device;
  kvstrata::cache_stats cache;
};

template <class Tracker>
using watched_cache =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<kvstrata::emulated_device>, kvstrata::pinned_arena<>>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<kvstrata::page_write_through>, kvstrata::lru,
                    Tracker>;

/// 400 batches of 1 to 3 users, some of which are held while others come, and prefetches, cleaning and erasing between
/// them. Both tiers are far too small.
template <kvstrata::tracker Tracker>
workload_outcome run_workload(kvstrata::emulated_device& d, watched_cache<Tracker>& cache)
{
  using namespace kvstrata;
  workload_outcome out;
  std::mt19937 random(11);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const stream_id compute = d.create_stream("compute");
  std::array<token_count, 20> history{};
  std::optional<typename watched_cache<Tracker>::lease> held;
  for (int batch = 0; batch < 400; ++batch) {
    std::vector<request> requests;
    const std::uint32_t first = below(20);
    for (std::uint32_t k = 0, users = 1 + below(3); k < users; ++k) {
      token_count& tokens = history[(first + k) % 20];
      tokens = (std::min)(tokens + below(9), token_count{50});
      requests.push_back({.user = user_id{(first + k) % 20}, .history_tokens = tokens});
    }
    if (below(3) == 0) {
      ++out.prefetch_calls;
      const auto queued = cache.prefetch(requests.front());
      if (queued) {
        out.prefetches += queued->pages != 0;
        out.prefetched += queued->tokens;
        out.displaced += queued->displaced_tokens;
      } else {
        ++out.turned_away;
      }
    }
    if (below(9) == 0) {
      ++out.prefetch_calls;
      out.undone += cache.undo_prefetch(requests.front().user);
    }
    if (below(9) == 0) {
      ++out.clean_calls;
      out.cleaned += cache.clean(8);
    }
    if (below(20) == 0) {
      ++out.erase_calls;
      static_cast<void>(cache.erase(user_id{below(20)}));
    }
    ++out.prepare_calls;
    auto prepared = cache.prepare(requests, compute);
    if (!prepared) {
      ++out.turned_away;
      held.reset();
      continue;
    }
    ++out.batches;
    out.requests += requests.size();
    for (const request& r : requests) out.history_tokens += r.history_tokens;
    auto lease = *std::move(prepared);
    for (std::size_t r = 0; r < lease.size(); ++r) out.computed_tokens += lease.split(r).computed;
    for (layer_index layer = 0; layer < cache.shape().layers; ++layer) lease.layer_done(layer);
    lease.commit();
    d.advance_host(2e-4);  // so that some writes are still under way, and some are not
    if (below(4) == 0) held = std::move(lease);
    else if (below(4) == 0) held.reset();
  }
  held.reset();
  cache.drain_sync();
  out.device = d.stats();
  out.cache = cache.stats();
  return out;
}

template <kvstrata::tracker Tracker, class Compare>
void tracker_conformance(Compare&& compare)
{
  using namespace kvstrata;
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.to_device = {1e7, 1e-6};
  config.from_device = {1e7, 1e-6};
  emulated_device watched_device(config);
  emulated_device tallied_device(config);
  const geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
  const hybrid_layout layout{.page_tokens = 4, .chunk = 16};
  const std::size_t page = page_bytes(shape, layout.page_tokens);
  const auto sizes = [&]<class T>(std::type_identity<T>) {
    return typename watched_cache<T>::config{.shape = shape,
                                             .device = {40 * page},
                                             .host = {24 * page},
                                             .layout = layout,
                                             .writes = {.in_flight_bytes = 16 * page}};
  };
  watched_cache<Tracker> watched(watched_device, sizes(std::type_identity<Tracker>{}));
  watched_cache<tally> tallied(tallied_device, sizes(std::type_identity<tally>{}));
  const workload_outcome mine = run_workload<Tracker>(watched_device, watched);
  const workload_outcome plain = run_workload<tally>(tallied_device, tallied);

  // Who watches changes nothing.
  REQUIRE(mine.device.to_device == plain.device.to_device);
  REQUIRE(mine.device.from_device == plain.device.from_device);
  REQUIRE(mine.computed_tokens == plain.computed_tokens);
  REQUIRE(mine.turned_away == plain.turned_away);
  REQUIRE(mine.cache.device.evicted_tokens == plain.cache.device.evicted_tokens);

  // What was told adds up to what happened.
  const tally& seen = tallied.watcher();
  REQUIRE(seen.batches == plain.batches);
  REQUIRE(seen.requests == plain.requests);
  REQUIRE(seen.commits == plain.batches);
  REQUIRE(seen.device_tokens + seen.lower_tokens + seen.computed_tokens == plain.history_tokens);
  REQUIRE(seen.computed_tokens == plain.computed_tokens);
  REQUIRE(seen.committed_tokens == plain.computed_tokens);
  REQUIRE(seen.onload_bytes == plain.device.to_device.bytes);
  REQUIRE(seen.onload_copies == plain.device.to_device.copies);
  REQUIRE(seen.onload_pieces == plain.device.to_device.pieces);
  REQUIRE(seen.offload_bytes == plain.device.from_device.bytes);
  REQUIRE(seen.offload_copies == plain.device.from_device.copies);
  REQUIRE(seen.offload_pieces == plain.device.from_device.pieces);
  REQUIRE(seen.device_evicted == plain.cache.device.evicted_tokens);
  REQUIRE(seen.device_dropped == plain.cache.device.dropped_tokens);
  REQUIRE(seen.lower_evicted == plain.cache.lower.evicted_tokens);
  REQUIRE(seen.lower_dropped == plain.cache.lower.dropped_tokens);
  REQUIRE(seen.pressure == plain.turned_away);
  REQUIRE(seen.device_hit_tokens == seen.device_tokens);
  REQUIRE(seen.lower_hit_tokens == seen.lower_tokens);
  REQUIRE(seen.prefetches == plain.prefetches);
  REQUIRE(seen.prefetched == plain.prefetched);
  REQUIRE(seen.displaced == plain.displaced);
  REQUIRE(seen.undone == plain.undone);
  REQUIRE(seen.prefetched_read + seen.undone <= seen.prefetched);
  REQUIRE(seen.cleaned == plain.cleaned);
  REQUIRE(seen.prepare_calls == plain.prepare_calls);
  REQUIRE(seen.commit_calls == plain.batches);
  REQUIRE(seen.release_calls == plain.batches);
  REQUIRE(seen.prefetch_calls == plain.prefetch_calls);
  REQUIRE(seen.erase_calls == plain.erase_calls);
  REQUIRE(seen.clean_calls == plain.clean_calls);
  REQUIRE(seen.calls == seen.calls_over);
  REQUIRE(!seen.calls_nest);
  for (const auto* ages :
       {&seen.device_hit_ages, &seen.lower_hit_ages, &seen.device_eviction_ages, &seen.lower_eviction_ages}) {
    REQUIRE(!ages->empty());
    REQUIRE(*std::max_element(ages->begin(), ages->end()) <= plain.requests);
  }

  // The workload has met everything that it was made for.
  REQUIRE((seen.device_tokens != 0 && seen.lower_tokens != 0 && seen.computed_tokens != 0));
  REQUIRE((seen.device_evicted != 0 && seen.lower_evicted != 0 && seen.pressure != 0));
  REQUIRE((seen.device_unread != 0 && seen.device_unread < seen.device_evicted));
  REQUIRE((seen.lower_unread != 0 && seen.lower_unread < seen.lower_evicted));
  REQUIRE((seen.prefetched_read != 0 && seen.displaced != 0 && seen.undone != 0));
  REQUIRE(seen.cleaned != 0);
  REQUIRE(seen.delays != 0);
  REQUIRE(seen.refused != 0);
  compare(watched.watcher(), seen);
}

}  // namespace kvstrata_test
