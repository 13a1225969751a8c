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
  template <class T>
  using by_level = kvstrata::by_level<T>;

  std::uint64_t built = 0, levels = 0;
  std::uint64_t batches = 0, requests = 0, computed_tokens = 0;
  by_level<std::uint64_t> served_tokens{}, hit_tokens{};
  std::uint64_t recomputed_tokens = 0, prefetched_read = 0;
  std::uint64_t commits = 0, committed_tokens = 0;
  std::uint64_t onloads = 0, onloaded_bytes = 0, onload_copies = 0, onload_pieces = 0;
  std::uint64_t offloads = 0, offload_copies = 0, offload_pieces = 0;
  by_level<std::uint64_t> onload_bytes{}, offload_bytes{}, offloaded_from{};
  std::uint64_t relocations = 0, relocated_bytes = 0, relocated_copies = 0, relocated_pieces = 0;
  by_level<std::uint64_t> evicted{}, dropped{}, unread{}, refused{}, write_dropped{}, waited{};
  std::uint64_t drops = 0;
  std::uint64_t rewritten = 0, widened = 0, passed = 0, overwritten = 0, stranded = 0, superseded = 0;
  std::uint64_t refused_held = 0, refused_full = 0, refused_apart = 0, refused_at_door = 0;
  std::uint64_t delays = 0, delayed = 0, cleanings = 0, cleaned = 0, pressure = 0;
  std::uint64_t prefetches = 0, prefetched = 0, displaced = 0, undoings = 0, undone = 0;
  std::array<std::uint64_t, kvstrata::pressure_reasons> pressed{};
  std::uint64_t epochs = 0, turned_stale = 0;
  std::uint64_t prepare_calls = 0, commit_calls = 0, release_calls = 0, prefetch_calls = 0, erase_calls = 0;
  std::uint64_t clean_calls = 0;
  std::uint64_t calls = 0, calls_over = 0;
  bool calls_nest = false;
  std::uint64_t copies = 0, released = 0, lock_waits = 0;
  bool copies_are_apart = true;
  std::array<std::uint64_t, 64> last_point{};  ///< [stream]
  by_level<std::vector<std::uint64_t>> hit_ages, eviction_ages;

  void on(const kvstrata::cache_built& e) noexcept
  {
    ++built;
    levels = e.levels;
  }

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
  void on(const kvstrata::lock_waited&) noexcept { ++lock_waits; }
  void on(const kvstrata::batch_prepared& e) noexcept
  {
    ++batches;
    requests += e.requests;
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) served_tokens[i] += e.from[i];
    computed_tokens += e.computed_tokens;
    recomputed_tokens += e.recomputed_tokens;
    prefetched_read += e.prefetched_tokens;
  }
  void on(const kvstrata::user_hit& e) noexcept
  {
    hit_tokens[e.level] += e.tokens;
    hit_ages[e.level].push_back(e.age);
  }
  void on(const kvstrata::batch_committed& e) noexcept
  {
    ++commits;
    committed_tokens += e.tokens;
  }
  void on(const kvstrata::bytes_onloaded& e) noexcept
  {
    ++onloads;
    onloaded_bytes += e.bytes;
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) onload_bytes[i] += e.bytes_from[i];
    onload_copies += e.copies;
    onload_pieces += e.pieces;
  }
  void on(const kvstrata::bytes_offloaded& e) noexcept
  {
    ++offloads;
    offload_bytes[e.to] += e.bytes;
    offloaded_from[e.from] += e.bytes;
    offload_copies += e.copies;
    offload_pieces += e.pieces;
  }
  void on(const kvstrata::bytes_relocated& e) noexcept
  {
    ++relocations;
    relocated_bytes += e.bytes;
    relocated_copies += e.copies;
    relocated_pieces += e.pieces;
  }
  void on(const kvstrata::copies_queued& e) noexcept
  {
    ++copies;
    copies_are_apart &= e.after < e.last && e.after >= last_point[e.stream % last_point.size()];
    last_point[e.stream % last_point.size()] = e.last;
  }
  void on(const kvstrata::lease_released&) noexcept { ++released; }
  void on(const kvstrata::tokens_evicted& e) noexcept
  {
    evicted[e.from] += e.tokens;
    dropped[e.from] += e.dropped;
    unread[e.from] += e.unread;
    eviction_ages[e.from].push_back(e.age);
  }
  void on(const kvstrata::tokens_forgotten& e) noexcept
  {
    rewritten += e.rewritten;
    widened += e.widened;
    passed += e.passed;
    overwritten += e.overwritten;
    stranded += e.stranded;
    superseded += e.superseded;
  }
  void on(const kvstrata::write_refused& e) noexcept
  {
    refused[e.level] += e.tokens;
    if (e.why == kvstrata::refusal::held) refused_held += e.tokens;
    if (e.why == kvstrata::refusal::full) refused_full += e.tokens;
    if (e.why == kvstrata::refusal::apart) refused_apart += e.tokens;
    if (e.why == kvstrata::refusal::not_admitted) refused_at_door += e.tokens;
  }
  void on(const kvstrata::write_dropped& e) noexcept
  {
    ++drops;
    write_dropped[e.to] += e.tokens;
  }
  void on(const kvstrata::write_delayed& e) noexcept
  {
    ++delays;
    delayed += e.tokens;
  }
  void on(const kvstrata::frames_waited& e) noexcept { waited[e.level] += e.pages; }
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
  void on(const kvstrata::pressure_met& e) noexcept
  {
    ++pressure;
    ++pressed[static_cast<std::size_t>(e.why.why)];
  }
  void on(const kvstrata::epoch_advanced& e) noexcept
  {
    ++epochs;
    turned_stale += e.users;
  }
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
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<>, kvstrata::lru, Tracker>;

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
    for (std::size_t r = 0; r < lease.size(); ++r) out.computed_tokens += lease.sources(r).computed;
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
                                             .tiers = {{40 * page}, {24 * page}},
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
  REQUIRE(mine.cache.levels[0].evicted_tokens == plain.cache.levels[0].evicted_tokens);

  // What was told adds up to what happened.
  const tally& seen = tallied.tracker();
  REQUIRE((seen.built == 1 && seen.levels == 2 && plain.cache.depth == 2));
  REQUIRE(seen.batches == plain.batches);
  REQUIRE(seen.requests == plain.requests);
  REQUIRE(seen.commits == plain.batches);
  REQUIRE(seen.served_tokens[0] + seen.served_tokens[1] + seen.computed_tokens == plain.history_tokens);
  REQUIRE(seen.computed_tokens == plain.computed_tokens);
  REQUIRE(seen.committed_tokens == plain.computed_tokens);
  REQUIRE(seen.onloaded_bytes == plain.device.to_device.bytes);
  REQUIRE(seen.onload_bytes == by_level<std::uint64_t>{0, seen.onloaded_bytes});
  REQUIRE(seen.onload_copies == plain.device.to_device.copies);
  REQUIRE(seen.onload_pieces == plain.device.to_device.pieces);
  REQUIRE(seen.offload_bytes == by_level<std::uint64_t>{0, plain.device.from_device.bytes});
  REQUIRE(seen.offloaded_from == by_level<std::uint64_t>{plain.device.from_device.bytes});
  REQUIRE(seen.offload_copies == plain.device.from_device.copies);
  REQUIRE(seen.offload_pieces == plain.device.from_device.pieces);
  for (level_index i = 0; i < most_levels; ++i) {
    REQUIRE(seen.evicted[i] == plain.cache.levels[i].evicted_tokens);
    REQUIRE(seen.dropped[i] == plain.cache.levels[i].dropped_tokens);
  }
  REQUIRE(seen.pressure == plain.turned_away);
  REQUIRE(seen.hit_tokens == seen.served_tokens);
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
  REQUIRE(seen.copies_are_apart);
  REQUIRE(seen.copies == seen.onloads + seen.offloads + seen.relocations);
  REQUIRE(seen.released == seen.batches);
  REQUIRE(seen.lock_waits == 0);  // there is one thread
  REQUIRE(!seen.calls_nest);
  for (const auto* ages : {&seen.hit_ages[0], &seen.hit_ages[1], &seen.eviction_ages[0], &seen.eviction_ages[1]}) {
    REQUIRE(!ages->empty());
    REQUIRE(*std::max_element(ages->begin(), ages->end()) <= plain.requests);
  }

  // The workload has met everything that it was made for.
  REQUIRE(seen.computed_tokens != 0);
  REQUIRE(seen.pressure != 0);
  for (const level_index i : {0U, 1U}) {
    REQUIRE(seen.served_tokens[i] != 0);
    REQUIRE(seen.evicted[i] != 0);
    REQUIRE((seen.unread[i] != 0 && seen.unread[i] < seen.evicted[i]));
  }
  REQUIRE((seen.prefetched_read != 0 && seen.displaced != 0 && seen.undone != 0));
  REQUIRE(seen.cleaned != 0);
  REQUIRE(seen.delays != 0);
  REQUIRE(seen.refused[1] != 0);
  REQUIRE(seen.refused == by_level<std::uint64_t>{0, seen.refused[1]});
  compare(watched.tracker(), seen);
}

}  // namespace kvstrata_test
