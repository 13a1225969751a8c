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
  void on(const tokens_evicted& e) { tokens += e.tokens; }
};

struct silent
{
};

// --- the concept, and what it turns down --------------------------------------------------------------------------------
static_assert(tracker<no_tracker> && tracker<counters> && tracker<tally> && tracker<eviction_ear>);
static_assert(tracks<eviction_ear, tokens_evicted> && !tracks<eviction_ear, batch_prepared>);
static_assert(tracks<counters, batch_prepared> && tracks<counters, batch_committed> &&
              tracks<counters, bytes_onloaded> && tracks<counters, bytes_offloaded> &&
              tracks<counters, tokens_evicted> && tracks<counters, offload_refused> && tracks<counters, pressure_met>);
static_assert(!tracks<no_tracker, pressure_met> && !tracks<silent, batch_prepared>);

struct needs_a_file
{
  explicit needs_a_file(const std::string&);
  void on(const batch_prepared&);
};
static_assert(!tracker<needs_a_file> && !tracks<needs_a_file, batch_prepared> && !tracker<int&>);

struct hears_if_it_may_change_it
{
  void on(batch_prepared&);
};
static_assert(tracker<hears_if_it_may_change_it> && !tracks<hears_if_it_may_change_it, batch_prepared>);

// --- what an empty tracker and an absent tier cost -----------------------------------------------------------------------
template <std::size_t Words>
struct as_large_as
{
  std::uint64_t words[Words];
};
static_assert(sizeof(watched_cache<as_large_as<1>>) == sizeof(watched_cache<no_tracker>) + 8);
static_assert(sizeof(watched_cache<as_large_as<9>>) == sizeof(watched_cache<silent>) + 72);
static_assert(std::is_empty_v<no_tracker> && std::is_empty_v<no_lower_level>);
static_assert(sizeof(device_only_cache<emulated_device>) < sizeof(watched_cache<no_tracker>));

// --- a lease is one's own ------------------------------------------------------------------------------------------------
using lease = watched_cache<no_tracker>::lease;
static_assert(std::movable<lease> && !std::copyable<lease> && !std::default_initializable<lease>);
static_assert(std::is_nothrow_move_constructible_v<lease> && std::is_nothrow_move_assignable_v<lease>);
static_assert(!std::movable<watched_cache<no_tracker>>);

void compare(const counters& mine, const tally& seen)
{
  const counters::snapshot s = mine.read();
  REQUIRE(s.batches == seen.batches);
  REQUIRE(s.requests == seen.requests);
  REQUIRE(s.device_tokens == seen.device_tokens);
  REQUIRE(s.lower_tokens == seen.lower_tokens);
  REQUIRE(s.computed_tokens == seen.computed_tokens);
  REQUIRE(s.committed_tokens == seen.committed_tokens);
  REQUIRE(s.onload_bytes == seen.onload_bytes);
  REQUIRE(s.onload_copies == seen.onload_copies);
  REQUIRE(s.offload_bytes == seen.offload_bytes);
  REQUIRE(s.offload_copies == seen.offload_copies);
  REQUIRE(s.device_evicted_tokens == seen.device_evicted);
  REQUIRE(s.device_dropped_tokens == seen.device_dropped);
  REQUIRE(s.lower_evicted_tokens == seen.lower_evicted);
  REQUIRE(s.lower_dropped_tokens == seen.lower_dropped);
  REQUIRE(s.refused_tokens == seen.refused);
  REQUIRE(s.pressure == seen.pressure);
}

/// Tells everybody the same event, drawn at random.
template <class... Trackers>
void tell_all(std::mt19937& random, Trackers&... all)
{
  const auto n = [&random] { return std::uint64_t{random() % 1000}; };
  const auto one = [&](const auto& event) { (tell(all, event), ...); };
  const auto level = random() % 2 == 0 ? tier_level::device : tier_level::lower;
  switch (random() % 7) {
    case 0: one(batch_prepared{n(), n(), n(), n()}); break;
    case 1: one(batch_committed{n()}); break;
    case 2: one(bytes_onloaded{n(), n()}); break;
    case 3: one(bytes_offloaded{n(), n()}); break;
    case 4: one(tokens_evicted{level, n(), n()}); break;
    case 5: one(offload_refused{n()}); break;
    case 6: one(pressure_met{}); break;
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
  tracker_conformance<eviction_ear>([](const eviction_ear& mine, const tally& seen) {
    REQUIRE(mine.tokens == seen.device_evicted + seen.lower_evicted);
  });
}

TEST_CASE("counters start at zero and count every member of every event")
{
  std::mt19937 random(2);
  counters mine;
  tally seen;
  silent deaf;
  compare(mine, seen);
  for (int i = 0; i < 500; ++i) {
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
