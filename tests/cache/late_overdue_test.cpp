// A read that a provisional lease counts on and that takes longer than it may: its outcome is told, its memory stays in use.
#include "cache/late_bed.hpp"

#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Users 1 and 2 have 30 tokens each, in the store alone, which takes five seconds from now on.
struct overdue_scene : store_scene<>
{
  explicit overdue_scene(double limit)
      : store_scene<>({.lanes = 2, .in_flight = 8, .least_seconds = 5, .most_seconds = 5}),
        late(device.create_stream("late"))
  {
    for (unsigned u = 1; u <= 2; ++u) serve(u, 30);
    for (unsigned u = 100; u < 107; ++u) serve(u, 32);
    for (int i = 0; i < 8; ++i) settle();
    read_seconds = limit;
    start();
  }

  stream_id late;
};

}  // namespace

TEST_CASE("a provisional read past its limit is lost to its lease at once, is counted once, and leaves nothing behind")
{
  overdue_scene s(1.0);
  const auto one = serve_late(s, {{1, 34}, {2, 30}}, s.late);
  REQUIRE(one);
  s.device.advance_host(0.5);
  s.cache->poll();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::pending);
  CHECK(s.figures().overdue_reads == 0);
  s.device.advance_host(0.6);
  s.cache->poll();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::lost);
  CHECK(s.cache->outcome(one.tickets[1]) == lease_outcome::lost);
  CHECK(s.figures().overdue_reads == 2);
  CHECK(s.figures().lost_gets == 2);
  CHECK(s.store.under_way() == 2);         // the places are still the store's
  const auto meanwhile = s.serve(50, 32);  // others are served; their pages are not these
  REQUIRE(meanwhile);
  const auto again = s.serve(1, 34);  // and so is the user: the record is still good
  REQUIRE(again);
  for (int i = 0; i < 8; ++i) s.settle();
  CHECK(s.store.under_way() == 0);
  CHECK(s.figures().overdue_reads == 2);
  CHECK(s.figures().lost_gets == 2);
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::lost);
  s.cache->drain_sync();
  CHECK(s.serve(1, 36)->computed <= 36);
}

TEST_CASE("without a limit, and within it, a provisional read is waited for")
{
  for (const double limit : {0.0, 6.0}) {
    CAPTURE(limit);
    overdue_scene s(limit);
    const auto one = serve_late(s, {{1, 34}}, s.late);
    REQUIRE(one);
    for (int i = 0; i < 8; ++i) s.settle();
    CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::kept);
    CHECK(s.figures().overdue_reads == 0);
    CHECK(s.figures().lost_gets == 0);
  }
}
