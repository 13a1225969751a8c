// Trackers: counters add up, an empty one takes no room, one that hears only part is told only that.
#include "observe/tracker_conformance.hpp"

#include <kvstrata/observe/counters.hpp>

#include <random>
#include <thread>
#include <type_traits>

namespace {

using namespace kvstrata;
using kvstrata_test::tally;
using kvstrata_test::tracker_conformance;
using kvstrata_test::watched_cache;

/// Hears of one event only.
struct eviction_ear
{
  std::uint64_t tokens = 0;
  void on(const tokens_evicted& e) noexcept { tokens += e.tokens; }
};

struct silent : no_tracker
{
};

// --- the concept, and what it turns down --------------------------------------------------------------------------------
static_assert(tracker<no_tracker> && tracker<counters> && tracker<tally> && tracker<eviction_ear>);
static_assert(tracks<eviction_ear, tokens_evicted> && !tracks<eviction_ear, batch_prepared>);
static_assert(tracks<counters, batch_prepared> && tracks<counters, batch_committed> &&
              tracks<counters, bytes_onloaded> && tracks<counters, bytes_offloaded> &&
              tracks<counters, tokens_evicted> && tracks<counters, write_refused> && tracks<counters, pressure_met>);
static_assert(tracks<counters, user_hit> && tracks<counters, bytes_relocated> && tracks<counters, write_delayed> &&
              tracks<counters, tokens_cleaned> && tracks<counters, prefetch_queued> &&
              tracks<counters, prefetch_undone> && tracks<counters, call_began>);
static_assert(!tracks<no_tracker, pressure_met> && !tracks<silent, batch_prepared>);

struct needs_a_file
{
  explicit needs_a_file(const std::string&);
  void on(const batch_prepared&) noexcept;
};
static_assert(!tracker<needs_a_file> && !tracks<needs_a_file, batch_prepared> && !tracker<int&>);

// What would not be told is refused with a sentence: tests/static/refused.
struct hears_if_it_may_change_it
{
  void on(batch_prepared&) noexcept;
};
static_assert(!listens_for<hears_if_it_may_change_it, batch_prepared> &&
              listens_to_change<hears_if_it_may_change_it, batch_prepared>);

// --- what an empty tracker and an absent tier cost -----------------------------------------------------------------------
template <std::size_t Words>
struct as_large_as : no_tracker
{
  std::uint64_t words[Words];
};
static_assert(sizeof(watched_cache<as_large_as<1>>) == sizeof(watched_cache<no_tracker>) + 8);
static_assert(sizeof(watched_cache<as_large_as<9>>) == sizeof(watched_cache<silent>) + 72);
static_assert(std::is_empty_v<no_tracker>);
static_assert(sizeof(device_only_cache<emulated_device>) < sizeof(watched_cache<no_tracker>));

// --- a lease is one's own ------------------------------------------------------------------------------------------------
using lease = watched_cache<no_tracker>::lease;
static_assert(std::movable<lease> && !std::copyable<lease> && !std::default_initializable<lease>);
static_assert(std::is_nothrow_move_constructible_v<lease> && std::is_nothrow_move_assignable_v<lease>);
static_assert(!std::movable<watched_cache<no_tracker>>);

/// What a histogram of these ages has to say, from its definition.
void compare(const log2_histogram& mine, const std::vector<std::uint64_t>& ages)
{
  std::vector<std::uint64_t> counts(log2_histogram::buckets, 0);
  std::uint64_t sum = 0;
  for (const std::uint64_t age : ages) {
    std::size_t bucket = 0;
    while (bucket + 1 < counts.size() && age >= (std::uint64_t{1} << bucket)) ++bucket;
    ++counts[bucket];
    sum += age;
  }
  REQUIRE(std::vector<std::uint64_t>(mine.counts.begin(), mine.counts.end()) == counts);
  REQUIRE(mine.sum == sum);
  REQUIRE(mine.total() == ages.size());
}

void compare(const counters& mine, const tally& seen)
{
  const counters::snapshot s = mine.read();
  using counts = std::vector<std::uint64_t>;
  REQUIRE(counts(s.calls.begin(), s.calls.end()) == counts{seen.prepare_calls, seen.commit_calls, seen.release_calls,
                                                           seen.prefetch_calls, seen.erase_calls, seen.clean_calls});
  REQUIRE(s.pressure == seen.pressure);
  REQUIRE(s.pressure_for == seen.pressed);
  REQUIRE(s.epochs == seen.epochs);
  REQUIRE(s.batches == seen.batches);
  REQUIRE(s.requests == seen.requests);
  REQUIRE(s.levels == seen.levels);
  REQUIRE(s.served_tokens == seen.served_tokens);
  REQUIRE(s.computed_tokens == seen.computed_tokens);
  REQUIRE(s.recomputed_tokens == seen.recomputed_tokens);
  REQUIRE(s.committed_tokens == seen.committed_tokens);
  REQUIRE(s.onload_bytes == seen.onload_bytes);
  REQUIRE(counts{s.onload_copies, s.onload_pieces} == counts{seen.onload_copies, seen.onload_pieces});
  REQUIRE(s.offload_bytes == seen.offload_bytes);
  REQUIRE(counts{s.offload_copies, s.offload_pieces} == counts{seen.offload_copies, seen.offload_pieces});
  REQUIRE(counts{s.relocated_bytes, s.relocated_copies, s.relocated_pieces} ==
          counts{seen.relocated_bytes, seen.relocated_copies, seen.relocated_pieces});
  REQUIRE(s.evicted_tokens == seen.evicted);
  REQUIRE(s.dropped_tokens == seen.dropped);
  REQUIRE(s.unread_tokens == seen.unread);
  REQUIRE(counts{s.rewritten_tokens, s.widened_tokens, s.passed_tokens, s.overwritten_tokens, s.stranded_tokens,
                 s.superseded_tokens} ==
          counts{seen.rewritten, seen.widened, seen.passed, seen.overwritten, seen.stranded, seen.superseded});
  REQUIRE(s.refused_tokens == seen.refused);
  REQUIRE(counts(s.refused_for.begin(), s.refused_for.end()) ==
          counts{seen.refused_held, seen.refused_full, seen.refused_apart, seen.refused_at_door});
  REQUIRE(s.delayed_tokens == seen.delayed);
  REQUIRE(s.write_dropped_tokens == seen.write_dropped);
  REQUIRE(s.waited_pages == seen.waited);
  REQUIRE(s.cleaned_tokens == seen.cleaned);
  REQUIRE(counts{s.prefetched_tokens, s.displaced_tokens, s.undone_tokens, s.saved_tokens} ==
          counts{seen.prefetched, seen.displaced, seen.undone, seen.prefetched_read});
  for (level_index i = 0; i < most_levels; ++i) {
    compare(s.hit_ages[i], seen.hit_ages[i]);
    compare(s.eviction_ages[i], seen.eviction_ages[i]);
  }
}

/// Tells everybody the same event, drawn at random.
template <class... Trackers>
void tell_all(std::mt19937& random, Trackers&... all)
{
  const auto n = [&random] { return std::uint64_t{random() % 1000}; };
  const auto age = [&random] { return (std::uint64_t{random()} << 8) >> random() % 41; };  // of any magnitude
  const auto one = [&](const auto& event) { (tell(all, event), ...); };
  const level_index level = random() % most_levels;
  const auto each = [&] {
    by_level<std::uint64_t> out{};
    for (std::uint64_t& x : out) x = random() % 3 == 0 ? 0 : n();
    return out;
  };
  const auto call = static_cast<call_name>(random() % 6);
  switch (random() % 19) {
    case 0: one(batch_prepared{n(), each(), n(), n(), n()}); break;
    case 1: one(batch_committed{n()}); break;
    case 2: one(bytes_onloaded{n(), n(), n(), each()}); break;
    case 3: one(bytes_offloaded{n(), n(), n(), 0, level}); break;
    case 4: one(tokens_evicted{level, n(), n(), n(), age()}); break;
    case 5: one(write_refused{n(), static_cast<refusal>(random() % counters::refusals), level}); break;
    case 6: one(pressure_met{{.why = static_cast<pressure::reason>(random() % pressure_reasons)}}); break;
    case 7: one(user_hit{level, n(), age()}); break;
    case 8: one(bytes_relocated{n(), n(), n()}); break;
    case 9: one(write_delayed{n(), level}); break;
    case 10: one(tokens_cleaned{n()}); break;
    case 11: one(prefetch_queued{n(), n()}); break;
    case 12: one(prefetch_undone{n()}); break;
    case 13: one(call_began{call}); break;
    case 14: one(call_ended{call}); break;
    case 15: one(tokens_forgotten{n(), n(), n(), n(), n()}); break;
    case 16: one(epoch_advanced{epoch_id{n()}, n(), each()}); break;
    case 17: one(write_dropped{0, level, n()}); break;
    case 18: one(frames_waited{level, n()}); break;
  }
}

}  // namespace

TEST_CASE("counters: conformance")
{
  tracker_conformance<counters>([](const counters& mine, const tally& seen) { compare(mine, seen); });
}
TEST_CASE("no tracker: conformance")
{
  tracker_conformance<no_tracker>([](const no_tracker&, const tally&) {});
}
TEST_CASE("a tracker of one event: conformance")
{
  tracker_conformance<eviction_ear>(
      [](const eviction_ear& mine, const tally& seen) { REQUIRE(mine.tokens == seen.evicted[0] + seen.evicted[1]); });
}

TEST_CASE("counters start at zero and count every member of every event")
{
  std::mt19937 random(2);
  counters mine;
  tally seen;
  silent deaf;
  compare(mine, seen);
  tell(mine, cache_built{.levels = 5});
  tell(seen, cache_built{.levels = 5});
  for (int i = 0; i < 2000; ++i) {
    tell_all(random, mine, seen, deaf);
    compare(mine, seen);
  }
}

TEST_CASE("counters may be read while others count")
{
  counters c;
  std::thread writer([&c] {
    for (int i = 0; i < 20000; ++i) c.on(batch_committed{1});
  });
  std::uint64_t last = 0;
  while (last < 20000) {
    const std::uint64_t now = c.read().committed_tokens;
    REQUIRE(now >= last);
    last = now;
  }
  writer.join();
}
