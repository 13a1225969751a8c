// Both pools against frames each on its own: what is handed out, what is free and in flight, whose uses a run comes with, and
// what it costs.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "tiers/pool_bed.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::at;
using kvstrata_test::naive_frames;
using kvstrata_test::told_device;

struct load
{
  page_count frames = 0;
  page_count most = 0;        // of a take
  std::uint32_t streams = 0;  // that fences are of
  std::uint32_t takes = 50;   // of 100 calls
  bool starves = false;       // allocations fail now and then
};

/// The run that best fit hands out of.
frame_run best_fit(const std::vector<frame_run>& runs, page_count most)
{
  frame_run best = runs.front();
  for (const frame_run run : runs) {
    if (best.count >= most) best = run.count >= most && run.count < best.count ? run : best;
    else best = run.count >= best.count ? run : best;
  }
  return best;
}

frame_run first_fit(const std::vector<frame_run>& runs, page_count count)
{
  return *std::find_if(runs.begin(), runs.end(), [count](frame_run run) { return run.count >= count; });
}

template <class Pool>
void against_the_naive(const load& l, std::uint32_t seed, int steps)
{
  std::mt19937 random(seed);
  const auto below = [&random](std::size_t n) { return static_cast<std::uint32_t>(random() % n); };
  Pool pool(l.frames);
  naive_frames naive(l.frames);
  told_device d;
  std::vector<frame_run> mine;
  std::uint64_t clock = 0;
  std::optional<kvstrata_test::failing_allocation> starving;
  CAPTURE(seed, l.frames, l.most, l.streams);

  const auto own = [&](const taken_run& taken) {
    REQUIRE(naive.take(taken, d));
    mine.push_back(taken.run);
  };
  const auto take = [&] {
    const page_count most = 1 + below(l.most);
    const std::vector<frame_run> runs = naive.free_runs();
    page_count longest = 0;
    for (const frame_run run : runs) longest = (std::max)(longest, run.count);
    if (l.starves) starving.emplace(1 + below(2));
    const auto taken = pool.try_take(most);
    starving.reset();
    REQUIRE(taken.has_value() == (longest != 0));
    if (!taken) return;
    if (!l.starves) REQUIRE(taken->run.count == (std::min)(most, longest));
    REQUIRE((taken->run.count != 0 && taken->run.count <= (std::min)(most, longest)));
    const auto from = std::find_if(runs.begin(), runs.end(), [&](frame_run r) { return r.first == taken->run.first; });
    REQUIRE(from != runs.end());  // it is the front of a free run
    if constexpr (std::same_as<Pool, run_pool>) REQUIRE(*from == best_fit(runs, most));
    else REQUIRE(*from == first_fit(runs, (std::min)(most, longest)));
    own(*taken);
  };
  const auto take_at = [&](auto& of) {
    const page_count first = below(l.frames + 2);
    const page_count most = below(l.most);
    const bool begins = first < l.frames && naive.taken[first] == 0 && (first == 0 || naive.taken[first - 1] != 0);
    if (l.starves) starving.emplace(1 + below(2));
    const auto taken = of.try_take_at(first, most);
    starving.reset();
    const bool there = most != 0 && begins;
    if (l.starves) REQUIRE((there || !taken));
    else REQUIRE(taken.has_value() == there);
    if (!taken) return;
    page_count end = first;
    while (end < l.frames && naive.taken[end] == 0) ++end;
    REQUIRE(taken->run.first == first);
    if (!l.starves) REQUIRE(taken->run.count == (std::min)(most, end - first));
    own(*taken);
  };
  const auto give_back = [&] {
    const std::size_t which = below(mine.size());
    const frame_run owned = mine[which];
    const page_count begin = below(3) == 0 ? below(owned.count) : 0;
    const page_count count = below(2) == 0 ? owned.count - begin : 1 + below(owned.count - begin);
    const frame_run back{owned.first + begin, count};
    mine[which] = mine.back();
    mine.pop_back();
    if (begin != 0) mine.push_back({owned.first, begin});
    if (back.end() != owned.end()) mine.push_back({back.end(), owned.end() - back.end()});
    fence last_use;
    if (below(3) == 0) --clock;  // now and then as the one before
    ++clock;
    for (std::uint32_t points = below(l.streams + 1); points != 0; --points) last_use.add(at(below(l.streams), clock));
    naive.give_back(back, last_use);
    const std::size_t waits = d.waits;
    if (l.starves) starving.emplace(1 + below(2));
    pool.give_back(back, last_use, d);
    starving.reset();
    if (!l.starves) REQUIRE(d.waits == waits);
  };

  for (int step = 0; step < steps; ++step) {
    if (below(100) < l.takes) {
      if constexpr (std::same_as<Pool, run_pool>) below(4) == 0 ? take_at(pool) : take();
      else take();
    } else if (!mine.empty()) {
      give_back();
    }
    if (below(6) == 0) {
      std::uint64_t& done = d.done[below(l.streams + 1)];
      done = (std::max)(done, clock - below(static_cast<std::size_t>(clock) + 1));
    }
    REQUIRE(pool.free() == naive.free());
    if (below(4) != 0) continue;
    REQUIRE(pool.in_flight([&d](event e) { return d.query(e); }) == naive.in_flight(d));
    fence kept;
    pool.each_use([&kept](const fence& uses) { kept.add(uses); });
    for (const event e : kept) REQUIRE_FALSE(d.passed(e));
  }
  for (const frame_run run : mine) {
    naive.give_back(run, {});
    pool.give_back(run, {}, d);
  }
  const auto all = pool.try_take(l.frames);
  REQUIRE(all);
  REQUIRE(all->run == frame_run{0, l.frames});
  REQUIRE(naive.take(*all, d));
}

template <class Pool>
void conforms()
{
  const int steps = 100 * kvstrata_test::effort;
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    against_the_naive<Pool>({.frames = 1 + seed * seed, .most = 3 + seed * 13, .streams = 4}, seed, steps);
  }
  // The edges of words, of their groups and of blocks, runs that are longer than any of them, and memories that are full.
  for (const page_count frames : {63U, 64U, 65U, 511U, 1023U, 1024U, 1025U, 4095U, 4096U, 4097U, 9000U}) {
    against_the_naive<Pool>({.frames = frames, .most = 9, .streams = 3, .takes = 70}, frames, steps);
    against_the_naive<Pool>({.frames = frames, .most = 200, .streams = 3}, frames, steps);
    against_the_naive<Pool>({.frames = frames, .most = frames + 1, .streams = 3}, frames, steps);
  }
  against_the_naive<Pool>({.frames = 2000, .most = 1, .streams = 2, .takes = 55}, 1, 1000 * kvstrata_test::effort);
  against_the_naive<Pool>({.frames = 3000, .most = 60, .streams = 2, .takes = 65}, 2, 700 * kvstrata_test::effort);
}

/// Nothing is lost when memory runs out: what cannot be remembered is waited for, what cannot be said is not taken.
template <class Pool>
void survives_starving()
{
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    against_the_naive<Pool>({.frames = 50 + 40 * seed, .most = 60, .streams = 8, .starves = true}, seed, 600);
  }
}

template <class Pool>
void waits_where_it_cannot_remember()
{
  Pool pool(10);
  told_device d;
  static_cast<void>(pool.try_take(10));
  {
    const kvstrata_test::failing_allocation starving(1);
    pool.give_back({0, 4}, at(3, 7), d);
  }
  REQUIRE(d.waits == 1);
  REQUIRE(d.passed(at(3, 7)));
  REQUIRE(pool.try_take(10)->last_use.empty());
}

template <class Pool>
void allocates_for_uses_only()
{
  Pool pool(5000);
  told_device d;
  std::mt19937 random(3);
  std::vector<frame_run> mine;
  mine.reserve(10000);
  const std::size_t before = kvstrata_test::allocations();
  for (int step = 0; step < 5000; ++step) {
    if (random() % 2 == 0) {
      if (const auto taken = pool.try_take(1 + static_cast<page_count>(random() % 300))) mine.push_back(taken->run);
    } else if (!mine.empty()) {
      pool.give_back(mine.back(), random() % 2 == 0 ? fence{} : fence{at(1, 0)}, d);
      mine.pop_back();
    }
  }
  REQUIRE(kvstrata_test::allocations() == before);
}

}  // namespace

TEST_CASE("best fit: frames against frames each on its own") { conforms<run_pool>(); }
TEST_CASE("bits: frames against frames each on its own") { conforms<bit_pool>(); }
TEST_CASE("best fit: nothing is lost when memory runs out") { survives_starving<run_pool>(); }
TEST_CASE("bits: nothing is lost when memory runs out") { survives_starving<bit_pool>(); }
TEST_CASE("best fit: what cannot be remembered is waited for") { waits_where_it_cannot_remember<run_pool>(); }
TEST_CASE("bits: what cannot be remembered is waited for") { waits_where_it_cannot_remember<bit_pool>(); }
TEST_CASE("best fit: memory is taken for uses only") { allocates_for_uses_only<run_pool>(); }
TEST_CASE("bits: memory is taken for uses only") { allocates_for_uses_only<bit_pool>(); }

TEST_CASE("a pool of bits without frames")
{
  bit_pool none(0);
  told_device d;
  REQUIRE(none.capacity() == 0);
  REQUIRE_FALSE(none.try_take(1));
  none.give_back({0, 0}, at(1, 1), d);
  REQUIRE(none.free() == 0);
}

TEST_CASE("a pool of bits costs less than one and a half a frame, and a pool of runs at most sixteen bytes")
{
  for (const page_count frames : {0U, 1U, 1000U, 65536U, 100000U, 1048575U, 16777216U, 40000000U}) {
    CAPTURE(frames);
    REQUIRE(bit_pool(frames).bytes() * 8 <= frames + frames / 2 + 8 * 256);
  }
  for (const page_count frames : {1U, 1000U, 40960U, 65537U, 1000000U}) {
    CAPTURE(frames);
    REQUIRE(run_pool(frames).bytes() <= std::size_t{16} * frames + 512);
  }
}

TEST_CASE("runs of 40 million frames are found at either end")
{
  constexpr page_count frames = 40'000'000;
  bit_pool pool(frames);
  told_device d;
  REQUIRE(pool.try_take(frames)->run == frame_run{0, frames});
  pool.give_back({frames - 1000, 1000}, {}, d);
  pool.give_back({5, 3}, {}, d);
  REQUIRE(pool.try_take(4)->run == frame_run{frames - 1000, 4});
  REQUIRE(pool.try_take(3)->run == frame_run{5, 3});
  REQUIRE(pool.try_take(5000)->run == frame_run{frames - 996, 996});
  REQUIRE_FALSE(pool.try_take(1));
  pool.give_back({100, frames - 200}, {}, d);
  REQUIRE(pool.try_take(frames)->run == frame_run{100, frames - 200});
}
