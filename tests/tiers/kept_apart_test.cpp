// Frames that others still use come last: whoever must not wait for them gets all that they do not use before.
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "tiers/pool_bed.hpp"

#include <kvstrata/tiers/run_pool.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr std::uint32_t first_of_theirs = 2;  // streams 0 and 1 are one's own

/// Others' work that has not passed.
[[nodiscard]] auto theirs_on(const told_device& d)
{
  return [&d](event e) { return static_cast<std::uint32_t>(e.stream) >= first_of_theirs && !d.passed(e); };
}

[[nodiscard]] bool is_theirs(const naive_frames& naive, page_count frame, const told_device& d)
{
  return std::any_of(naive.uses[frame].begin(), naive.uses[frame].end(), theirs_on(d));
}
[[nodiscard]] bool any_theirs(const naive_frames& naive, frame_run run, const told_device& d)
{
  for (page_count f = run.first; f < run.end(); ++f) {
    if (is_theirs(naive, f, d)) return true;
  }
  return false;
}

}  // namespace

TEMPLATE_TEST_CASE("frames that others still use come last, the first that were seen so first", "[tiers]", run_pool,
                   bit_pool)
{
  told_device d;
  TestType pool(20);
  static_cast<void>(pool.try_take(20));
  pool.give_back({0, 8}, at(3, 5), d);  // theirs
  pool.give_back({8, 4}, at(0, 5), d);  // one's own
  pool.give_back({12, 4}, at(4, 5), d);
  pool.give_back({16, 4}, {}, d);
  std::vector<frame_run> got;
  for (page_count left = 8; left != 0; left -= got.back().count) {
    const auto taken = pool.try_take(left, theirs_on(d));
    REQUIRE((taken && !taken->waits));
    got.push_back(taken->run);
    CHECK(taken->run.first >= 8);
    CHECK((taken->run.end() <= 12 || taken->run.first >= 16));
  }
  CHECK(pool.free() == 12);
  CHECK_FALSE(pool.try_take_now(3, theirs_on(d)));
  const auto first = pool.try_take(3, theirs_on(d));
  REQUIRE((first && first->waits));
  CHECK((waits_for(first->last_use, at(3, 5)) || waits_for(first->last_use, at(4, 5))));
  d.done[3] = d.done[4] = 5;
  const auto passed = pool.try_take_now(9, theirs_on(d));
  REQUIRE(passed);
  CHECK_FALSE(passed->waits);
  CHECK(pool.try_take(20)->run.count + passed->run.count <= 9);  // who does not ask sees all that is left
}

TEMPLATE_TEST_CASE("what goes on from a run stops in front of frames that others use", "[tiers]", run_pool)
{
  told_device d;
  TestType pool(12);
  static_cast<void>(pool.try_take(12));
  pool.give_back({4, 3}, {}, d);
  pool.give_back({7, 5}, at(3, 5), d);
  const auto on = pool.try_take_at(4, 8, theirs_on(d));
  REQUIRE(on);
  CHECK(on->run == frame_run{4, 3});
  CHECK_FALSE(pool.try_take_at(7, 2, theirs_on(d)));
  d.done[3] = 5;
  CHECK(pool.try_take_at(7, 2, theirs_on(d))->run == frame_run{7, 2});
}

TEMPLATE_TEST_CASE("a pool that keeps others apart against one frame at a time", "[tiers][walk]", run_pool, bit_pool)
{
  for (std::uint64_t seed = 0; seed < std::uint64_t{10} * effort; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&random](std::size_t n) { return static_cast<page_count>(random() % n); };
    told_device d;
    const page_count frames = 30 + below(200);
    TestType pool(frames);
    naive_frames naive(frames);
    std::vector<frame_run> mine;
    std::uint64_t clock = 0;
    const auto own = [&](const taken_run& t) {
      REQUIRE(naive.take(t, d));
      mine.push_back(t.run);
    };
    for (int step = 0; step < 400; ++step) {
      const unsigned what = below(10);
      if (what < 4) {
        bool clean = false;
        for (page_count f = 0; f < frames; ++f) clean = clean || (naive.taken[f] == 0 && !is_theirs(naive, f, d));
        const bool now = below(4) == 0;
        const auto taken =
            now ? pool.try_take_now(1 + below(12), theirs_on(d)) : pool.try_take(1 + below(12), theirs_on(d));
        // try_take_now looks at what was set aside once all the rest is gone, so it may miss some of that.
        if (!now) REQUIRE(taken.has_value() == (naive.free() != 0));
        if (taken) {
          const bool waits = any_theirs(naive, taken->run, d);
          REQUIRE(taken->waits == waits);
          REQUIRE_FALSE((waits && (clean || now)));
          own(*taken);
        }
      } else if (what == 4) {
        if (const auto taken = pool.try_take(1 + below(12))) own(*taken);
        else REQUIRE(naive.free() == 0);
      } else if (what == 5) {
        if constexpr (std::same_as<TestType, run_pool>) {
          const page_count first = below(frames);
          if (const auto taken = pool.try_take_at(first, 1 + below(9), theirs_on(d))) {
            REQUIRE(taken->run.first == first);
            REQUIRE_FALSE(any_theirs(naive, taken->run, d));
            own(*taken);
          }
        }
      } else if (what < 9 && !mine.empty()) {
        const std::size_t which = below(mine.size());
        const frame_run back = mine[which];
        mine[which] = mine.back();
        mine.pop_back();
        fence uses;
        ++clock;
        for (unsigned points = below(4); points != 0; --points) uses.add(at(below(6), clock));
        naive.give_back(back, uses);
        pool.give_back(back, uses, d);
      } else {
        std::uint64_t& done = d.done[below(6)];
        done = (std::max)(done, clock - below(static_cast<std::size_t>(clock) + 1));
      }
      REQUIRE(pool.free() == naive.free());
      REQUIRE(pool.in_flight([&d](event e) { return d.query(e); }) == naive.in_flight(d));
    }
  }
}
