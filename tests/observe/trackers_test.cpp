// Several trackers at once: each is told what it listens for, in order, and nothing is told to nobody.
#include "observe/tracker_conformance.hpp"

#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::tally;
using kvstrata_test::tracker_conformance;

struct hears_evictions
{
  std::vector<std::string>* log = nullptr;
  void on(const tokens_evicted&) noexcept { log->push_back("a: eviction"); }
};
struct hears_both
{
  std::vector<std::string>* log = nullptr;
  void on(const tokens_evicted&) noexcept { log->push_back("b: eviction"); }
  void on(const pressure_met&) noexcept { log->push_back("b: pressure"); }
};

using pair = trackers<hears_evictions, no_tracker, hears_both>;
static_assert(tracker<pair> && tracks<pair, tokens_evicted> && tracks<pair, pressure_met>);
static_assert(!tracks<pair, batch_prepared> && !tracks<trackers<>, pressure_met>);
static_assert(std::is_empty_v<trackers<>> && std::is_empty_v<trackers<no_tracker>>);
static_assert(tracks<trackers<trackers<hears_both>, no_tracker>, pressure_met>);  // they nest

struct needs_a_file
{
  explicit needs_a_file(const std::string&);
};
template <class T>
concept may_be_tracked_with = requires { typename trackers<T>; };
static_assert(may_be_tracked_with<hears_both> && !may_be_tracked_with<needs_a_file>);

}  // namespace

TEST_CASE("trackers: each hears what it listens for, in the order in which they stand")
{
  std::vector<std::string> log;
  pair both;
  both.get<hears_evictions>().log = &log;
  both.get<hears_both>().log = &log;
  tell(both, tokens_evicted{});
  tell(both, pressure_met{});
  tell(both, batch_prepared{});
  REQUIRE(log == std::vector<std::string>{"a: eviction", "b: eviction", "b: pressure"});
}

TEST_CASE("trackers: a tracker among others is told what it is told alone")
{
  using several = trackers<no_tracker, tally, counters, timeline>;
  tracker_conformance<several>([](const several& mine, const tally& seen) {
    const tally& t = mine.get<tally>();
    const counters::snapshot s = mine.get<counters>().read();
    REQUIRE(t.batches == seen.batches);
    REQUIRE(t.evicted == seen.evicted);
    REQUIRE(t.calls == seen.calls);
    REQUIRE(s.batches == seen.batches);
    REQUIRE(s.evicted_tokens == seen.evicted);
    REQUIRE(s.onload_bytes == seen.onload_bytes);
    REQUIRE(s.pressure == seen.pressure);
    REQUIRE(mine.get<timeline>().events() >= seen.batches);
  });
}
