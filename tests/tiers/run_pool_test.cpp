// Best fit by example: what is handed out, what comes together again, and whose uses it comes with. At random:
// frame_pool_test.cpp.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "tiers/pool_bed.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace {

using namespace kvstrata;

using kvstrata_test::at;
using kvstrata_test::told_device;
using kvstrata_test::waits_for;

/// Nothing has come to pass.
void back(run_pool& pool, frame_run run, const fence& last_use)
{
  told_device d;
  pool.give_back(run, last_use, d);
}

fence uses_of(const run_pool& pool)
{
  fence all;
  pool.each_use([&all](const fence& uses) { all.add(uses); });
  return all;
}

}  // namespace

TEST_CASE("an empty pool is one run")
{
  run_pool pool(10);
  REQUIRE(pool.capacity() == 10);
  REQUIRE(pool.free() == 10);
  REQUIRE(pool.runs() == 1);
  const auto all = pool.try_take(99);
  REQUIRE(all);
  REQUIRE(all->run == frame_run{0, 10});
  REQUIRE(all->last_use.empty());
  REQUIRE(pool.free() == 0);
  REQUIRE(pool.runs() == 0);
  REQUIRE_FALSE(pool.try_take(1));
  back(pool, all->run, {});
  REQUIRE(pool.runs() == 1);
}

TEST_CASE("a pool without frames, and takes of nothing")
{
  run_pool none(0);
  REQUIRE(none.capacity() == 0);
  REQUIRE_FALSE(none.try_take(1));
  REQUIRE(uses_of(none).empty());
  run_pool pool(3);
  REQUIRE_FALSE(pool.try_take(0));
  back(pool, {0, 0}, at(0, 5));
  REQUIRE(pool.free() == 3);
  REQUIRE(uses_of(pool).empty());
}

TEST_CASE("the smallest run that is long enough is taken, else the longest")
{
  run_pool pool(100);
  const auto all = pool.try_take(100);
  back(pool, {0, 5}, {});
  back(pool, {10, 8}, {});
  back(pool, {30, 3}, {});
  back(pool, {50, 8}, {});
  REQUIRE(pool.runs() == 4);
  REQUIRE(pool.try_take(4)->run == frame_run{0, 4});   // of 5, not of 3 or 8
  REQUIRE(pool.try_take(3)->run == frame_run{30, 3});  // exactly
  REQUIRE(pool.try_take(20)->run.count == 8);          // all that hangs together
  REQUIRE(pool.try_take(20)->run.count == 8);
  REQUIRE(pool.try_take(20)->run == frame_run{4, 1});
  REQUIRE_FALSE(pool.try_take(1));
  static_cast<void>(all);
}

TEST_CASE("neighbours come together from either side, and their fences with them")
{
  run_pool pool(30);
  static_cast<void>(pool.try_take(30));
  back(pool, {0, 10}, at(1, 1));
  back(pool, {20, 10}, at(2, 2));
  REQUIRE(pool.runs() == 2);
  back(pool, {10, 10}, at(3, 3));
  REQUIRE(pool.runs() == 1);
  const auto all = pool.try_take(30);
  REQUIRE(all->run == frame_run{0, 30});
  REQUIRE(waits_for(all->last_use, at(1, 1)));
  REQUIRE(waits_for(all->last_use, at(2, 2)));
  REQUIRE(waits_for(all->last_use, at(3, 3)));
}

TEST_CASE("what is left of a run keeps the fence, and a run that is taken leaves none behind")
{
  run_pool pool(10);
  static_cast<void>(pool.try_take(10));
  back(pool, {0, 10}, at(4, 7));
  REQUIRE(waits_for(pool.try_take(4)->last_use, at(4, 7)));
  REQUIRE(waits_for(uses_of(pool), at(4, 7)));
  REQUIRE(waits_for(pool.try_take(6)->last_use, at(4, 7)));
  REQUIRE(uses_of(pool).empty());
  back(pool, {0, 10}, {});
  REQUIRE(pool.try_take(10)->last_use.empty());
}

TEST_CASE("frames are in flight until their fence has come to pass")
{
  run_pool pool(10);
  static_cast<void>(pool.try_take(10));
  back(pool, {0, 3}, at(0, 5));
  back(pool, {5, 2}, at(1, 9));
  std::uint64_t done[] = {0, 0};
  const auto complete = [&done](event e) { return e.sequence <= done[static_cast<std::uint32_t>(e.stream)]; };
  REQUIRE(pool.in_flight(complete) == 5);
  done[1] = 9;
  REQUIRE(pool.in_flight(complete) == 3);
  REQUIRE_FALSE(waits_for(uses_of(pool), at(1, 9)));  // forgotten
  done[0] = 4;
  REQUIRE(pool.in_flight(complete) == 3);
  done[0] = 6;
  REQUIRE(pool.in_flight(complete) == 0);
  REQUIRE(uses_of(pool).empty());
}

TEST_CASE("a run for whose common fence there is no memory is taken in two")
{
  run_pool pool(10);
  static_cast<void>(pool.try_take(10));
  fence several;
  for (std::uint32_t stream = 1; stream <= 4; ++stream) several.add(at(stream, 3));
  back(pool, {0, 4}, several);
  back(pool, {8, 2}, several);
  back(pool, {4, 4}, at(9, 7));
  CHECK(pool.runs() == 1);
  std::optional<taken_run> apart;
  {
    const kvstrata_test::failing_allocation starving(1);
    apart = pool.try_take(10);
  }
  REQUIRE(apart);
  CHECK(apart->run == frame_run{0, 4});
  CHECK(waits_for(apart->last_use, at(4, 3)));
  CHECK_FALSE(waits_for(apart->last_use, at(9, 7)));
  CHECK(pool.free() == 6);
  const auto joined = pool.try_take(6);
  REQUIRE(joined);
  CHECK(joined->run == frame_run{4, 6});
  CHECK(waits_for(joined->last_use, at(9, 7)));
  CHECK(waits_for(joined->last_use, at(4, 3)));
  back(pool, apart->run, {});
  back(pool, joined->run, {});
  CHECK(pool.runs() == 1);
}

TEST_CASE("what has passed is forgotten when another run comes back, and takes no memory")
{
  run_pool pool(4);
  told_device d;
  static_cast<void>(pool.try_take(4));
  fence passed;
  for (std::uint32_t stream = 1; stream <= 4; ++stream) passed.add(at(stream, 3));
  pool.give_back({0, 2}, passed, d);
  for (std::uint32_t stream = 1; stream <= 4; ++stream) d.done[stream] = 3;
  pool.give_back({2, 2}, at(9, 7), d);
  CHECK(pool.runs() == 1);
  const std::size_t before = kvstrata_test::allocations();
  const auto all = pool.try_take(4);
  CHECK(kvstrata_test::allocations() == before);
  REQUIRE(all);
  CHECK(std::vector<event>(all->last_use.begin(), all->last_use.end()) == std::vector<event>{at(9, 7)});
}
