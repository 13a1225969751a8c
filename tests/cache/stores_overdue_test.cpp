// A get that takes longer than it may: its user is served without, and its place is not used before the store has answered.
#include "cache/stores_bed.hpp"

#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Users 1 and 2 are in the store alone, which takes its time from now on.
struct slow_scene : store_scene<>
{
  explicit slow_scene(double limit)
      : store_scene<>({.lanes = 2, .in_flight = 4, .least_seconds = 5, .most_seconds = 5}, {.room = 32})
  {
    for (unsigned u = 1; u <= 2; ++u) serve(u, 30);
    for (unsigned u = 100; u < 107; ++u) serve(u, 32);
    for (int i = 0; i < 8; ++i) settle();
    get_seconds = limit;
    start();
  }
};

}  // namespace

TEST_CASE("a get past its limit is a miss for its user, and is counted once")
{
  slow_scene s(1.0);
  REQUIRE(s.record(1)->tokens == token_interval{0, 30});
  REQUIRE_FALSE(s.serve(1, 31, true, 0, false));  // on its way
  s.device.advance_host(0.5);
  REQUIRE_FALSE(s.serve(1, 31, true, 0, false));  // and may be for a while
  CHECK(s.figures().overdue_gets == 0);
  s.device.advance_host(0.6);
  const auto sources = s.serve(1, 31, true, 0, false);
  REQUIRE(sources);
  CHECK(sources->computed == 31);
  CHECK(s.figures().overdue_gets == 1);
  CHECK(s.figures().lost_gets == 1);
  CHECK(s.store.under_way() == 1);  // its place is still the store's
  for (int i = 0; i < 8; ++i) s.settle();
  CHECK(s.store.under_way() == 0);
  CHECK(s.figures().lost_gets == 1);
  CHECK(s.figures().staged_tokens == 0);
  const auto again = s.serve(1, 31);  // what came late is not used
  REQUIRE(again);
  CHECK(again->computed <= 1);
}

TEST_CASE("without a limit, and within it, a get is waited for")
{
  for (const double limit : {0.0, 6.0}) {
    CAPTURE(limit);
    slow_scene s(limit);
    const auto sources = s.serve(2, 30);
    REQUIRE(sources);
    CHECK(sources->computed <= 1);
    CHECK(s.figures().overdue_gets == 0);
    CHECK(s.figures().lost_gets == 0);
  }
}
