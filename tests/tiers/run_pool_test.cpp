// Runs of frames against a naive bitmap: what is handed out, what comes together again, and whose fences it carries.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/tiers/run_pool.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;

event at(std::uint32_t stream, std::uint64_t sequence) { return {stream_id{stream}, sequence}; }

bool waits_for(const fence& f, event point)
{
  return std::any_of(f.begin(), f.end(),
                     [point](event e) { return e.stream == point.stream && e.sequence >= point.sequence; });
}

/// Every frame on its own, with all that was ever said to use it.
struct bitmap
{
  explicit bitmap(page_count frames) : taken(frames, 0), uses(frames) {}

  [[nodiscard]] page_count free() const { return static_cast<page_count>(std::count(taken.begin(), taken.end(), 0)); }

  [[nodiscard]] std::vector<frame_run> free_runs() const
  {
    std::vector<frame_run> runs;
    for (page_count f = 0; f < taken.size(); ++f) {
      if (taken[f] != 0) continue;
      if (!runs.empty() && runs.back().first + runs.back().count == f) ++runs.back().count;
      else runs.push_back({f, 1});
    }
    return runs;
  }

  std::vector<char> taken;
  std::vector<std::vector<event>> uses;
};

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
  pool.give_back(all->run, {});
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
  pool.give_back({0, 0}, at(0, 5));
  REQUIRE(pool.free() == 3);
  REQUIRE(uses_of(pool).empty());
}

TEST_CASE("the smallest run that is long enough is taken, else the longest")
{
  run_pool pool(100);
  const auto all = pool.try_take(100);
  pool.give_back({0, 5}, {});
  pool.give_back({10, 8}, {});
  pool.give_back({30, 3}, {});
  pool.give_back({50, 8}, {});
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
  pool.give_back({0, 10}, at(1, 1));
  pool.give_back({20, 10}, at(2, 2));
  REQUIRE(pool.runs() == 2);
  pool.give_back({10, 10}, at(3, 3));
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
  pool.give_back({0, 10}, at(4, 7));
  REQUIRE(waits_for(pool.try_take(4)->last_use, at(4, 7)));
  REQUIRE(waits_for(uses_of(pool), at(4, 7)));
  REQUIRE(waits_for(pool.try_take(6)->last_use, at(4, 7)));
  REQUIRE(uses_of(pool).empty());
  pool.give_back({0, 10}, {});
  REQUIRE(pool.try_take(10)->last_use.empty());
}

TEST_CASE("frames are in flight until their fence has come to pass")
{
  run_pool pool(10);
  static_cast<void>(pool.try_take(10));
  pool.give_back({0, 3}, at(0, 5));
  pool.give_back({5, 2}, at(1, 9));
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

TEST_CASE("runs whose common fence finds no memory stay apart")
{
  run_pool pool(10);
  static_cast<void>(pool.try_take(10));
  fence several;
  for (std::uint32_t stream = 1; stream <= 4; ++stream) several.add(at(stream, 3));
  pool.give_back({0, 4}, several);
  pool.give_back({8, 2}, several);
  {
    const kvstrata_test::failing_allocation starving(1);
    pool.give_back({4, 4}, at(9, 7));  // with its left neighbour's five streams; then with its right one's
  }
  CHECK(pool.free() == 10);
  CHECK(pool.runs() == 2);
  const auto apart = pool.try_take(4);
  REQUIRE(apart);
  CHECK(apart->run == frame_run{0, 4});
  CHECK_FALSE(waits_for(apart->last_use, at(9, 7)));
  const auto joined = pool.try_take(6);
  REQUIRE(joined);
  CHECK(joined->run == frame_run{4, 6});
  CHECK(waits_for(joined->last_use, at(9, 7)));
  CHECK(waits_for(joined->last_use, at(4, 3)));
  pool.give_back(apart->run, {});
  pool.give_back(joined->run, {});
  CHECK(pool.runs() == 1);
}

TEST_CASE("a run that is joined sheds what has passed before its fence grows")
{
  run_pool pool(4);
  static_cast<void>(pool.try_take(4));
  fence passed;
  for (std::uint32_t stream = 1; stream <= 4; ++stream) passed.add(at(stream, 3));
  pool.give_back({0, 2}, passed);
  const std::size_t before = kvstrata_test::allocations();
  pool.give_back({2, 2}, at(9, 7), [](event point) { return point.sequence <= 3; });
  CHECK(kvstrata_test::allocations() == before);
  CHECK(pool.runs() == 1);
}

TEST_CASE("random takes and returns against a bitmap")
{
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](page_count n) { return static_cast<page_count>(random() % n); };
    const page_count frames = 1 + below(200);
    run_pool pool(frames);
    bitmap naive(frames);
    std::vector<frame_run> mine;
    std::uint64_t clock = 0;
    CAPTURE(seed, frames);
    for (int step = 0; step < 3000; ++step) {
      if (below(2) == 0) {
        const page_count most = 1 + below(seed % 3 == 0 ? 4 : frames + 3);
        const std::vector<frame_run> runs = naive.free_runs();
        page_count longest = 0;
        for (const frame_run run : runs) longest = (std::max)(longest, run.count);
        const auto taken = pool.try_take(most);
        REQUIRE(taken.has_value() == (longest != 0));
        if (!taken) continue;
        REQUIRE(taken->run.count == (std::min)(most, longest));
        bool right = taken->run.first + taken->run.count <= frames;
        page_count fitting = frames;  // the smallest free run that is long enough
        page_count source = 0;        // the one that it came from
        for (const frame_run run : runs) {
          if (run.count >= taken->run.count) fitting = (std::min)(fitting, run.count);
          if (taken->run.first >= run.first && taken->run.first < run.first + run.count) source = run.count;
        }
        REQUIRE(source == fitting);
        for (page_count f = taken->run.first; right && f < taken->run.first + taken->run.count; ++f) {
          right = naive.taken[f] == 0;
          naive.taken[f] = 1;
          for (const event point : naive.uses[f]) right = right && waits_for(taken->last_use, point);
          naive.uses[f].clear();
        }
        REQUIRE(right);
        mine.push_back(taken->run);
      } else if (!mine.empty()) {
        const std::size_t which = below(static_cast<page_count>(mine.size()));
        frame_run& owned = mine[which];
        const page_count begin = below(owned.count);
        const frame_run back{owned.first + begin, 1 + below(owned.count - begin)};
        fence last_use;
        for (page_count points = below(4); points != 0; --points) last_use.add(at(below(4), ++clock));
        for (page_count f = back.first; f < back.first + back.count; ++f) {
          naive.taken[f] = 0;
          for (const event point : last_use) naive.uses[f].push_back(point);
        }
        const frame_run rest{back.first + back.count, owned.first + owned.count - back.first - back.count};
        owned.count = begin;
        if (rest.count != 0) mine.push_back(rest);
        if (mine[which].count == 0) mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(which));
        pool.give_back(back, last_use);
      }
      REQUIRE(pool.free() == naive.free());
      REQUIRE(pool.runs() == naive.free_runs().size());
    }
    for (const frame_run run : mine) pool.give_back(run, {});
    REQUIRE(pool.runs() == 1);
    REQUIRE(pool.try_take(frames)->run == frame_run{0, frames});
  }
}
