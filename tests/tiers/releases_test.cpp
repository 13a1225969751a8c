// What is remembered of the frames that were given back: as much as is in flight, and no more asking than a few times.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "tiers/pool_bed.hpp"

#include <kvstrata/tiers/releases.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::at;
using kvstrata_test::told_device;
using kvstrata_test::waits_for;

struct bed
{
  bool add(frame_run run, const fence& uses)
  {
    const std::size_t before = d.queries;
    const bool added = kept.add(run, uses, [this](event e) { return d.query(e); });
    most_queries = (std::max)(most_queries, d.queries - before);
    return added;
  }
  page_count in_flight()
  {
    return kept.in_flight([this](event e) { return d.query(e); });
  }

  releases kept{100'000};
  told_device d;
  std::size_t most_queries = 0;
};

fence of(std::uint32_t streams, std::uint64_t sequence)
{
  fence f;
  for (std::uint32_t s = 0; s < streams; ++s) f.add(at(s, sequence));
  return f;
}

std::vector<event> points_of(const fence& f)
{
  std::vector<event> points(f.begin(), f.end());
  std::sort(points.begin(), points.end(), [](event a, event b) { return a.stream < b.stream; });
  return points;
}

}  // namespace

TEST_CASE("runs that are given back with one fence have one fence kept, and it is asked for once")
{
  bed b;
  for (page_count i = 0; i < 100; ++i) REQUIRE(b.add({i * 10, 5}, of(2, 7)));
  REQUIRE(b.kept.fences() == 1);
  REQUIRE(b.kept.runs() == 100);
  REQUIRE(b.d.queries == 2);
  REQUIRE(b.in_flight() == 500);
  // Once a part of it has passed, too.
  b.d.done[0] = 7;
  REQUIRE(b.add({5000, 5}, of(3, 7)));
  REQUIRE(b.add({6000, 5}, of(2, 7)));
  REQUIRE(b.kept.fences() <= 3);
  // What differs in one of its points is another one.
  fence other = at(0, 9);
  other.add(at(1, 9));
  REQUIRE(b.add({7000, 5}, at(0, 9)));
  REQUIRE(b.add({8000, 5}, other));
  fence uses;
  REQUIRE(b.kept.take({8000, 5}, uses) == 5);
  REQUIRE(waits_for(uses, at(1, 9)));
}

TEST_CASE("nothing is kept of what nobody uses, or what has come to pass")
{
  bed b;
  b.d.done = {9, 9, 9, 9};
  REQUIRE(b.add({0, 5}, {}));
  REQUIRE(b.add({10, 5}, of(4, 9)));
  REQUIRE(b.add({20, 5}, of(4, 9)));
  REQUIRE(b.add({0, 0}, of(4, 99)));
  REQUIRE(b.kept.runs() == 0);
  REQUIRE(b.kept.fences() == 0);
  REQUIRE(b.d.queries == 4);  // of the second one nothing is asked
  fence uses;
  REQUIRE(b.kept.take({0, 30}, uses) == 30);
  REQUIRE(uses.empty());
}

TEST_CASE("a device that does not answer has not said that all is over")
{
  bed b;
  b.d.broken = true;
  REQUIRE(b.add({0, 5}, at(1, 1)));
  fence uses;
  REQUIRE(b.kept.take({0, 5}, uses) == 5);
  REQUIRE(waits_for(uses, at(1, 1)));
}

TEST_CASE("a run takes along the uses of its frames, and the others stay")
{
  bed b;
  REQUIRE(b.add({0, 10}, at(1, 1)));
  REQUIRE(b.add({10, 10}, at(2, 2)));
  REQUIRE(b.add({20, 1000}, at(3, 3)));
  fence uses;
  REQUIRE(b.kept.take({0, 15}, uses) == 15);
  REQUIRE(points_of(uses) == std::vector<event>{at(1, 1), at(2, 2)});
  REQUIRE(b.in_flight() == 1005);
  uses.clear();
  REQUIRE(b.kept.take({15, 505}, uses) == 505);  // far into the next block
  REQUIRE(points_of(uses) == std::vector<event>{at(2, 2), at(3, 3)});
  REQUIRE(b.in_flight() == 500);
  uses.clear();
  REQUIRE(b.kept.take({520, 500}, uses) == 500);
  REQUIRE(points_of(uses) == std::vector<event>{at(3, 3)});
  REQUIRE(b.kept.runs() == 0);
  REQUIRE(b.kept.fences() == 0);
  REQUIRE(b.in_flight() == 0);
}

TEST_CASE("what is kept is bounded by what is in flight, in whatever order it passes, with few questions a call")
{
  bed b;
  constexpr std::uint64_t in_flight = 10;
  for (std::uint64_t step = 1; step <= 20'000; ++step) {
    // Stream 0 never gets anywhere; it is waited for by the first ten releases only.
    fence uses = at(static_cast<std::uint32_t>(1 + step % 3), step);
    if (step <= in_flight) uses.add(at(0, 1));
    REQUIRE(b.add({static_cast<page_count>(step * 3 % 90'000), 2}, uses));
    if (step > in_flight) b.d.done[1] = b.d.done[2] = b.d.done[3] = step - in_flight;
    REQUIRE(b.kept.fences() <= 5 * in_flight);
    REQUIRE(b.kept.runs() <= 5 * in_flight);
  }
  REQUIRE(b.most_queries <= 2 * 2 + 1);
  const std::size_t before = kvstrata_test::allocations();
  for (std::uint64_t step = 20'001; step <= 21'000; ++step) {
    REQUIRE(b.add({static_cast<page_count>(step * 3 % 90'000), 2}, at(1, step)));
    b.d.done[1] = step - in_flight;
  }
  REQUIRE(kvstrata_test::allocations() == before);
}

TEST_CASE("where there is no memory nothing is added, or taken, that is not known")
{
  bed b;
  {
    const kvstrata_test::failing_allocation starving(1);
    REQUIRE_FALSE(b.add({0, 5}, at(1, 1)));
  }
  {
    const kvstrata_test::failing_allocation starving(2);
    REQUIRE_FALSE(b.add({0, 5}, at(1, 1)));
  }
  REQUIRE(b.kept.runs() == 0);
  REQUIRE(b.kept.fences() == 0);
  REQUIRE(b.add({0, 5}, at(1, 1)));
  REQUIRE(b.in_flight() == 5);

  // A fence of more than four streams takes memory; a copy of one does not.
  REQUIRE(b.add({5, 5}, of(4, 3)));
  REQUIRE(b.add({10, 5}, at(7, 3)));
  fence uses;
  {
    const kvstrata_test::failing_allocation starving(1);
    REQUIRE(b.kept.take({0, 15}, uses) == 5);
  }
  REQUIRE(points_of(uses) == std::vector<event>{at(1, 1)});
  REQUIRE(b.in_flight() == 10);
  REQUIRE(b.kept.take({5, 10}, uses) == 10);
  REQUIRE(points_of(uses).size() == 5);
}
