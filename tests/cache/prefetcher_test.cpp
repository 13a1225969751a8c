// The prefetcher in virtual time. A page takes one unit of time to come up, so that every figure can be reckoned by hand.
#include <kvstrata/ahead/prefetcher.hpp>

#include "cache/scene.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr double unit = tiny.layers;  // seconds: a layer of a page takes one, exactly
constexpr unsigned filler = 1000;

struct queue_scene
{
  using cache_type = default_scene_cache;

  queue_scene(page_count device_pages, const prefetcher_config& c, page_count lower_pages = 400)
      : pages(device_pages),
        device({.time = time_mode::virtual_time,
                .to_device = {tiny_page_bytes / unit, 0},
                .check_ordering = true,
                .poison_freed = true}),
        compute(device.create_stream("compute")),
        cache(device, tiny_config<cache_type>(device_pages, lower_pages)),
        ahead(cache, c)
  {
  }
  ~queue_scene() { CHECK(device.violations().empty()); }

  [[nodiscard]] request asks(unsigned user, token_count history) const
  {
    return {.user = user_id{user}, .history_tokens = history, .epoch = epoch};
  }
  [[nodiscard]] default_scene_cache::lease hold(unsigned user, token_count history)
  {
    const request r = asks(user, history);
    return cache.prepare({&r, 1}, compute).value();
  }
  token_sources serve(unsigned user, token_count history, double units_per_layer = 0)
  {
    auto l = hold(user, history);
    const token_sources split = l.sources(0);
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      l.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = units_per_layer * unit}, [] {});
      l.layer_done(layer);
    }
    l.commit();
    return split;
  }
  /// Serves all of them and leaves them in the lower tier only; the device is empty then, and the clock is at `start`.
  void below(std::initializer_list<turn> users)
  {
    for (const turn t : users) serve(t.user, t.history);
    serve(filler, pages * tiny_page);
    cache.erase(user_id{filler});
    cache.drain_sync();
    start = device.now();
    REQUIRE(cache.stats().levels[0].resident_bytes == 0);
  }

  void launch(unsigned user, token_count history) { ahead.launch(asks(user, history)); }
  void launch(unsigned user, token_count history, stop_rule stop) { ahead.launch(asks(user, history), stop); }
  void poll() { ahead.poll(now()); }
  [[nodiscard]] double now() const { return (device.now() - start) / unit; }
  void go_to(double units) { device.advance_host(units * unit + start - device.now()); }
  [[nodiscard]] bool ready(unsigned user) { return ahead.try_wait(user_id{user}, now()); }
  [[nodiscard]] token_interval here(unsigned user, token_count history)
  {
    const request r = asks(user, history);
    return cache.plan({&r, 1}).value().requests.front().in_slab;
  }
  [[nodiscard]] prefetch_figures figures() const { return ahead.figures(); }

  page_count pages;
  double start = 0;
  epoch_id epoch{};
  emulated_device device;
  stream_id compute;
  cache_type cache;
  prefetcher<cache_type> ahead;
};

[[nodiscard]] prefetcher_config bounds(page_count budget, page_count step, std::uint32_t in_flight,
                                       page_count displaced = 1000)
{
  return {.budget_pages = budget, .displaced_pages = displaced, .step_pages = step, .in_flight_steps = in_flight};
}

}  // namespace

TEST_CASE("a history comes in steps, the rear first, and few at a time", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 2, 2));
  s.below({{1, 24}});
  s.launch(1, 24);
  CHECK(s.figures().steps == 0);  // launching queues nothing
  s.poll();
  CHECK(s.figures().steps == 2);
  CHECK(s.here(1, 24) == token_interval{8, 24});
  CHECK(s.ahead.held_pages() == 4);
  s.go_to(3.99);  // the second of them takes until 4
  s.poll();
  CHECK(s.figures().steps == 2);
  s.go_to(4);
  CHECK_FALSE(s.ready(1));
  s.poll();
  CHECK(s.figures().steps == 3);
  CHECK(s.here(1, 24) == token_interval{0, 24});
  s.go_to(5.99);
  CHECK_FALSE(s.ready(1));
  s.go_to(6);
  CHECK(s.ready(1));
  CHECK(s.figures().queued_tokens == 24);
  CHECK(s.ahead.take(user_id{1}) == 24);
  CHECK(s.ahead.held_pages() == 0);
  CHECK(is(s.serve(1, 24), 24, 0, 0));
  CHECK(s.figures().saved_tokens == s.cache.tracker().read().saved_tokens);
}

TEST_CASE("the queue goes in the order of launching, and waits for the budget", "[prefetcher]")
{
  queue_scene s(32, bounds(6, 4, 8));
  s.below({{1, 16}, {2, 16}, {3, 16}});
  for (const unsigned user : {2U, 3U, 1U}) s.launch(user, 16);
  s.poll();
  CHECK(s.here(2, 16) == token_interval{0, 16});
  CHECK(s.here(3, 16) == token_interval{8, 16});
  CHECK(s.here(1, 16).empty());
  CHECK(s.ahead.held_pages() == 6);
  s.go_to(6);
  s.poll();
  CHECK(s.ahead.held_pages() == 6);
  CHECK(s.ready(2));
  CHECK_FALSE(s.ready(3));  // their turn comes when 2 is taken
  CHECK_FALSE(s.ready(1));
  CHECK(s.ahead.take(user_id{2}) == 16);
  s.poll();
  CHECK(s.here(3, 16) == token_interval{0, 16});
  CHECK(s.here(1, 16) == token_interval{8, 16});
  CHECK(s.ahead.held_pages() == 6);
  s.go_to(10);
  CHECK(s.ready(3));
  CHECK(s.ahead.take(user_id{1}) == 8);  // out of turn
  CHECK(s.figures().dropped_tokens == 8);
  CHECK(s.ahead.waiting() == 1);
}

TEST_CASE("a history larger than the budget is ready when the budget is used up", "[prefetcher]")
{
  queue_scene s(16, bounds(4, 2, 4));
  s.below({{1, 30}});
  s.launch(1, 30);
  s.poll();
  CHECK(s.here(1, 30) == token_interval{16, 30});
  CHECK_FALSE(s.ready(1));
  s.go_to(4);
  CHECK(s.ready(1));
  CHECK(s.figures().dropped_tokens == 16);
  s.ahead.take(user_id{1});
  CHECK(is(s.serve(1, 30), 14, 16, 0));
}

TEST_CASE("best effort goes at once, with what has come", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 2, 2));
  s.below({{1, 24}});
  s.launch(1, 24, stop_rule::best_effort());
  CHECK(s.ready(1));
  s.poll();
  s.go_to(4);
  s.poll();  // the third step
  CHECK(s.ready(1));
  CHECK(s.ahead.take(user_id{1}) == 16);
  CHECK(s.figures().late_tokens == 8);
  CHECK(is(s.serve(1, 24), 24, 0, 0));

  s.below({{1, 24}});
  s.launch(1, 24, stop_rule::best_effort());
  s.poll();
  CHECK(s.ahead.take(user_id{1}) == 0);
  CHECK(s.figures().dropped_tokens == 8);
  s.poll();
  CHECK(s.figures().steps == 5);  // what was not queued then never is
  CHECK(is(s.serve(1, 24), 16, 8, 0));
}

TEST_CASE("a deadline is kept exactly", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 1, 1));
  s.below({{1, 24}, {2, 8}});
  const stop_rule at_3 = stop_rule::by(3);
  s.ahead.launch(s.asks(1, 24), at_3);
  s.ahead.launch(s.asks(2, 8), stop_rule::by(100));
  const double before = std::nextafter(3.0, 0.0);
  for (const double t : {0.0, 1.0, 2.0}) {
    s.go_to(t);
    s.poll();
  }
  CHECK(s.figures().steps == 3);
  CHECK_FALSE(s.ahead.try_wait(user_id{1}, before));
  CHECK(s.ahead.try_wait(user_id{1}, 3));
  s.go_to(3);
  s.ahead.poll(3);  // too late for the fourth step: it is 2's turn
  CHECK(s.here(1, 24) == token_interval{12, 24});
  CHECK(s.here(2, 8) == token_interval{4, 8});
  CHECK(s.figures().dropped_tokens == 12);
  CHECK(s.ahead.take(user_id{1}) == 12);
  s.go_to(4);
  s.poll();
  CHECK_FALSE(s.ready(2));
  s.go_to(5);
  CHECK(s.ready(2));  // everything has arrived, long before the deadline
}

TEST_CASE("a poll just before a deadline still queues", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 1, 1));
  s.below({{1, 8}});
  s.launch(1, 8, stop_rule::by(3));
  s.ahead.poll(std::nextafter(3.0, 0.0));
  CHECK(s.figures().steps == 1);
  s.launch(1, 8, stop_rule::by(3));  // again: nothing was lost
  s.ahead.poll(3);
  CHECK(s.figures().steps == 1);
}

TEST_CASE("cancelling takes back what came, and the device is as before", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 2, 4));
  s.below({{1, 22}, {2, 16}});
  s.serve(2, 16);
  s.cache.drain_sync();
  const cache_stats before = s.cache.stats();
  s.launch(1, 22);
  s.poll();
  CHECK(s.cache.stats().levels[0].resident_tokens == before.levels[0].resident_tokens + 22);
  const bool arrived = GENERATE(false, true);
  if (arrived) s.go_to(6);
  CHECK(s.ahead.cancel(user_id{1}) == 22);
  CHECK(s.ahead.held_pages() == 0);
  CHECK(s.ahead.waiting() == 0);
  s.cache.drain_sync();
  const cache_stats after = s.cache.stats();
  CHECK(after.levels[0].resident_tokens == before.levels[0].resident_tokens);
  CHECK(after.levels[0].resident_bytes == before.levels[0].resident_bytes);
  CHECK(after.levels[0].free_bytes == before.levels[0].free_bytes);
  CHECK(after.levels[1].resident_tokens == before.levels[1].resident_tokens);
  CHECK(after.levels[0].evicted_tokens == before.levels[0].evicted_tokens);
  CHECK(s.figures().rolled_back_tokens == 22);
  CHECK(s.cache.tracker().read().undone_tokens == 22);
  CHECK(is(s.serve(1, 22), 0, 22, 0));
}

TEST_CASE("cancelling leaves what the device had before", "[prefetcher]")
{
  queue_scene s(8, bounds(16, 1, 1));
  s.serve(1, 24);
  s.serve(2, 16);  // pushes [0, 8) of user 1 off
  s.cache.erase(user_id{2});
  s.cache.drain_sync();
  s.start = s.device.now();
  s.launch(1, 24);
  s.poll();
  CHECK(s.here(1, 24) == token_interval{4, 24});
  CHECK(s.ahead.cancel(user_id{1}) == 4);
  CHECK(s.here(1, 24) == token_interval{8, 24});
  CHECK(s.figures().dropped_tokens == 4);  // the other page, which was not queued yet
  s.go_to(1);
  s.poll();
  CHECK(s.figures().steps == 1);
  CHECK(s.ahead.cancel(user_id{1}) == 0);
  CHECK(s.figures().cancelled == 1);
}

TEST_CASE("what a prefetch displaced and what it saved are counted", "[prefetcher]")
{
  queue_scene s(8, bounds(8, 2, 8, 2));
  s.below({{1, 16}});
  s.serve(2, 16);
  s.serve(3, 12);  // leaves one page
  s.cache.drain_sync();
  s.start = s.device.now();
  s.launch(1, 16);
  s.poll();
  CHECK(s.here(1, 16) == token_interval{4, 16});  // that page, and two of user 2; no more may go
  CHECK(s.here(2, 16) == token_interval{8, 16});
  CHECK(s.figures().displaced_tokens == 8);
  CHECK(s.figures().dropped_tokens == 4);
  s.go_to(3);
  CHECK(s.ready(1));
  CHECK(s.ahead.take(user_id{1}) == 12);
  CHECK(is(s.serve(1, 16), 12, 4, 0));
  const auto counted = s.cache.tracker().read();
  CHECK(counted.displaced_tokens == 8);
  CHECK(counted.saved_tokens == 12);
  CHECK(s.figures().saved_tokens == 12);
  CHECK(s.figures().late_tokens == 0);
}

TEST_CASE("nobody is displaced where nobody may be", "[prefetcher]")
{
  queue_scene s(8, bounds(8, 4, 8, 0));
  s.below({{1, 16}, {4, 8}});
  s.serve(2, 20);  // leaves three pages
  s.cache.drain_sync();
  s.launch(1, 16);
  s.launch(4, 8);
  s.poll();
  CHECK(s.here(1, 16) == token_interval{4, 16});
  CHECK(s.here(4, 8).empty());
  CHECK(s.here(2, 20).size() == 20);
  CHECK(s.figures().displaced_tokens == 0);
  CHECK(s.ready(4));  // there is nothing to wait for
  CHECK_FALSE(s.ready(1));
}

// A layer of the history takes 2 units to come up, and half a unit to compute. Layer by layer that is 3 * 2 + 0.5
// without a prefetch, 3 * 0.5 when all has come before, and 3 * 1 + 0.5 when half has.
TEST_CASE("a prefetch shortens a request by what the arithmetic says", "[prefetcher]")
{
  struct row
  {
    page_count budget;
    double units;
  };
  const row r = GENERATE(row{0, 6.5}, row{3, 3.5}, row{6, 1.5});
  queue_scene s(16, bounds(r.budget == 0 ? 1 : r.budget, 16, 8));
  s.below({{1, 24}});
  if (r.budget != 0) {
    s.launch(1, 24);
    s.poll();
    s.go_to(20);  // another request computes meanwhile
    CHECK(s.ahead.take(user_id{1}) == r.budget * tiny_page);
  }
  const double from = s.now();
  s.serve(1, 24, 0.5);
  s.device.wait_sync(s.device.record(s.compute));
  CHECK(s.now() - from == Approx(r.units));
}

TEST_CASE("a request that goes early takes what is on its way as it comes", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 6, 1));
  s.below({{1, 24}});
  s.launch(1, 24, stop_rule::best_effort());
  s.poll();
  s.go_to(4);  // two of three layers
  s.ahead.take(user_id{1});
  CHECK(s.figures().late_tokens == 24);
  s.serve(1, 24, 0.5);
  s.device.wait_sync(s.device.record(s.compute));
  CHECK(s.now() == Approx(6.5));
}

TEST_CASE("pressure is no error: the step is tried again", "[prefetcher]")
{
  queue_scene s(8, bounds(8, 4, 4));
  s.below({{1, 16}, {2, 8}});
  {
    const auto all = s.hold(3, 32);
    s.launch(1, 16);
    s.launch(2, 8);
    s.poll();
    CHECK(s.figures().refused == 1);  // user 2 does not overtake
    CHECK_FALSE(s.ready(1));
    CHECK_FALSE(s.ahead.wait_sync(user_id{1}));  // waiting would not help
    CHECK(s.figures().steps == 0);
  }
  s.poll();
  CHECK(s.figures().steps == 2);
  CHECK(s.ahead.wait_sync(user_id{1}));
  CHECK(s.ahead.take(user_id{1}) == 16);
}

TEST_CASE("a user under another lease is overtaken", "[prefetcher]")
{
  queue_scene s(16, bounds(8, 4, 4));
  s.below({{1, 16}, {2, 8}});
  s.launch(1, 16);
  s.launch(2, 8);
  {
    const auto lease = s.hold(1, 8);  // has the front of them
    s.poll();
    CHECK(s.figures().refused == 1);
    CHECK(s.here(2, 8).size() == 8);
    CHECK_FALSE(s.ready(1));
  }
  s.poll();
  CHECK(s.here(1, 16).size() == 16);
}

TEST_CASE("two who hold the budget together do not wait for each other", "[prefetcher]")
{
  queue_scene s(32, bounds(4, 4, 4));
  s.below({{1, 16}, {2, 12}});
  s.launch(1, 16);
  s.launch(2, 12);
  {
    const auto lease = s.hold(1, 0);
    s.poll();
    CHECK(s.here(2, 12).size() == 12);
  }
  s.poll();  // user 1 gets the one page that is left
  CHECK(s.here(1, 16).size() == 4);
  CHECK(s.ahead.held_pages() == 4);
  s.go_to(100);
  s.poll();
  CHECK(s.ready(1));
  CHECK(s.ready(2));
}

TEST_CASE("users may be erased, evicted or outdated meanwhile", "[prefetcher]")
{
  queue_scene s(8, bounds(8, 2, 1));
  s.below({{1, 16}, {2, 16}, {3, 16}});
  s.launch(1, 16);
  s.launch(9, 16);  // nobody knows them
  s.poll();
  s.cache.erase(user_id{1});
  s.poll();
  CHECK(s.ready(1));
  CHECK(s.ready(9));
  CHECK(s.ahead.cancel(user_id{1}) == 0);
  CHECK(s.ahead.held_pages() == 0);

  s.launch(2, 16);
  s.poll();
  s.serve(4, 32);  // pushes them off again
  s.poll();
  CHECK(s.ahead.wait_sync(user_id{2}));
  s.ahead.take(user_id{2});
  s.serve(2, 16);

  s.launch(3, 16);
  s.cache.advance_epoch(epoch_id{1});
  s.poll();
  CHECK(s.figures().turned_down == 1);  // no waiting makes it right
  CHECK(s.ready(3));
  CHECK(s.ahead.cancel(user_id{3}) == 0);
  CHECK(s.ahead.held_pages() == 0);
  CHECK(s.ahead.waiting() == 1);  // user 9
  CHECK(s.ahead.take(user_id{9}) == 0);
}

TEST_CASE("wait_sync blocks until everything has arrived", "[prefetcher]")
{
  queue_scene s(32, bounds(16, 2, 1));
  s.below({{1, 24}, {2, 16}, {3, 16}});
  s.launch(1, 24);
  s.launch(2, 16, stop_rule::best_effort());
  s.launch(3, 16, stop_rule::best_effort());
  auto busy = s.hold(4, 4);
  s.device.launch(s.compute, {.label = "long", .seconds = 1000 * unit}, [] {});
  CHECK(s.ahead.wait_sync(user_id{2}));
  CHECK(s.now() == 10);  // not for the model
  CHECK(s.ready(1));
  CHECK(s.here(3, 16).empty() == false);  // the next one's first step is on its way
  CHECK(s.ahead.take(user_id{2}) == 16);
  CHECK(s.ahead.wait_sync(user_id{77}));
}

TEST_CASE("a request that is renewed keeps its place and what has come", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 8, 8));
  s.below({{1, 24}, {2, 16}});
  const prefetch_ticket one = s.ahead.launch(s.asks(1, 8));
  s.ahead.launch(s.asks(2, 16));
  s.poll();
  CHECK(s.here(1, 24) == token_interval{0, 8});
  CHECK(s.ahead.renew(one, s.asks(1, 24), stop_rule::wait()));
  s.go_to(6);
  CHECK_FALSE(s.ready(1));
  s.poll();
  CHECK(s.here(1, 24) == token_interval{0, 24});
  CHECK(s.figures().launched == 2);
  CHECK(s.ahead.waiting() == 2);
  s.go_to(10);
  CHECK_THROWS_WITH(s.ahead.renew(one, s.asks(2, 24), stop_rule::wait()),
                    "renew: the request is of user 2, its ticket of user 1");
  CHECK(s.ahead.take(one) == 24);
  CHECK_FALSE(s.ahead.renew(one, s.asks(1, 24), stop_rule::wait()));
}

TEST_CASE("parts for a cache that knows of none are refused, of a new request and of one that is renewed",
          "[prefetcher]")
{
  struct histories_alone
  {
    result<prefetch_outcome> prefetch(const request&, const prefetch_limit&) { return prefetch_outcome{}; }
    token_count undo_prefetch(user_id) { return 0; }
    bool arrived(user_id) { return true; }
    void wait_arrived_sync(user_id) {}
  } cache;
  prefetcher<histories_alone> ahead(cache, {.budget_pages = 4});
  const prefetch_ticket one = ahead.launch({.user = user_id{1}, .history_tokens = 4});
  const part p{.key = {1, 1}, .tokens = 3};
  const request r{.user = user_id{1}, .parts = {&p, 1}};
  CHECK_THROWS_AS(ahead.launch(r), usage_error);
  CHECK_THROWS_AS(ahead.renew(one, r, stop_rule::wait()), usage_error);
  CHECK(ahead.waiting() == 1);
}

TEST_CASE("several requests of a user have a turn each, in the order of launching", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 8, 8));
  s.below({{1, 24}, {2, 16}});
  const prefetch_ticket first = s.ahead.launch(s.asks(1, 8));
  const prefetch_ticket other = s.ahead.launch(s.asks(2, 16));
  const prefetch_ticket second = s.ahead.launch(s.asks(1, 24), stop_rule::by(7));
  CHECK(s.ahead.waiting() == 3);
  s.poll();
  CHECK(s.here(1, 24) == token_interval{0, 24});
  CHECK(s.figures().steps == 3);
  s.go_to(2);
  CHECK_FALSE(s.ahead.try_wait(first, 2));  // what has come of a user is known when all of it has
  CHECK_FALSE(s.ahead.try_wait(second, 2));
  CHECK(s.ahead.try_wait(second, 7));  // each by its own rule
  CHECK_FALSE(s.ahead.try_wait(first, 7));
  CHECK(s.ahead.try_wait(user_id{1}, 7));  // the newest one's
  s.go_to(10);
  CHECK(s.ahead.try_wait(first, 10));
  CHECK(s.ahead.take(first) == 8);
  CHECK(s.ahead.held_pages() == 8);
  CHECK(s.ahead.take(first) == 0);
  CHECK(s.ahead.try_wait(first, 10));
  CHECK(s.ahead.wait_sync(second));
  CHECK(s.ahead.take(user_id{1}) == 16);
  CHECK(s.ahead.take(other) == 16);
  CHECK(s.figures().taken == 3);
  CHECK(s.ahead.held_pages() == 0);
}

TEST_CASE("a newer request waits for what an older one of its user has under way", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 8, 8));
  s.below({{1, 16}});
  s.ahead.launch(s.asks(1, 16));
  const prefetch_ticket second = s.ahead.launch(s.asks(1, 16));
  s.poll();
  CHECK(s.figures().steps == 1);
  s.go_to(3.99);
  CHECK_FALSE(s.ahead.try_wait(second, s.now()));
  s.go_to(4);
  CHECK(s.ahead.try_wait(second, s.now()));
}

TEST_CASE("what a cancelled request brought up is another one's while its user has another", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 2, 3));
  s.below({{1, 32}, {2, 8}});
  const prefetch_ticket gone = s.ahead.launch(s.asks(1, 32));
  s.ahead.launch(s.asks(2, 8));
  const prefetch_ticket stays = s.ahead.launch(s.asks(1, 32));
  s.poll();
  CHECK(s.here(1, 32) == token_interval{8, 32});
  CHECK(s.ahead.cancel(gone) == 0);
  CHECK(s.ahead.cancel(gone) == 0);
  CHECK(s.figures().cancelled == 1);
  CHECK(s.figures().dropped_tokens == 8);  // it is not its turn that brings these up
  CHECK(s.ahead.held_pages() == 6);
  CHECK(s.here(1, 32) == token_interval{8, 32});
  s.go_to(6);
  s.poll();
  CHECK(s.here(2, 8) == token_interval{0, 8});  // who stays does not have the place of who went
  CHECK(s.here(1, 32) == token_interval{0, 32});
  s.go_to(20);
  SECTION("taken, it has saved all of it")
  {
    CHECK(s.ahead.take(stays) == 32);
    CHECK(s.ahead.held_pages() == 2);
  }
  SECTION("cancelled, too, all of it is taken back")
  {
    CHECK(s.ahead.cancel(stays) == 32);
    CHECK(s.ahead.held_pages() == 2);
    CHECK(s.here(1, 32).empty());
  }
}

TEST_CASE("cancelling takes nothing back that another request has read", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 8, 8));
  s.below({{1, 24}});
  const prefetch_ticket first = s.ahead.launch(s.asks(1, 16));
  const prefetch_ticket second = s.ahead.launch(s.asks(1, 16));
  s.poll();
  s.ahead.take(first);
  s.serve(1, 16);
  CHECK(s.ahead.cancel(second) == 0);
  CHECK(s.here(1, 24) == token_interval{0, 16});
  const prefetch_ticket third = s.ahead.launch(s.asks(1, 24));
  s.poll();
  CHECK(s.here(1, 24) == token_interval{0, 24});
  CHECK(s.ahead.cancel(third) == 8);
  CHECK(s.here(1, 24) == token_interval{0, 16});
  CHECK(s.figures().rolled_back_tokens == 8);
}

TEST_CASE("a request that meets pressure keeps its place and its budget", "[prefetcher]")
{
  queue_scene s(16, bounds(6, 4, 4));
  s.below({{1, 16}, {2, 16}, {3, 16}});
  const prefetch_ticket one = s.ahead.launch(s.asks(1, 16));
  const prefetch_ticket two = s.ahead.launch(s.asks(2, 16));
  s.poll();
  s.go_to(6);
  s.poll();
  REQUIRE(s.ahead.held_pages() == 6);
  const request r = s.asks(1, 16);
  const auto prepare = [&] { return s.cache.prepare({&r, 1}, s.compute); };
  {
    const auto in_the_way = s.hold(1, 0);
    const auto none = s.ahead.take_if({&one, 1}, prepare);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.why().why == pressure::reason::user_held);
  }
  CHECK_THROWS_AS(s.ahead.take_if({&one, 1}, [&]() -> result<int> { throw capacity_error("too large"); }),
                  capacity_error);
  CHECK(s.figures().kept == 2);
  CHECK(s.figures().taken == 0);
  CHECK(s.ahead.held_pages() == 6);
  s.poll();
  CHECK(s.here(2, 16).size() == 8);  // who comes next does not get the budget
  CHECK(s.ready(1));
  CHECK_FALSE(s.ahead.try_wait(two, s.now()));
  {
    const auto lease = s.ahead.take_if({&one, 1}, prepare);
    REQUIRE(lease.has_value());
    CHECK(is(lease->sources(0), 16, 0, 0));
  }
  CHECK(s.figures().taken == 1);
  CHECK(s.figures().saved_tokens == 16);
  CHECK(s.ahead.held_pages() == 2);
  s.poll();
  CHECK(s.here(2, 16).size() == 16);
}

TEST_CASE("nobody overtakes a request that is being prepared, and what it takes over is late", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 2, 8));
  s.below({{1, 24}, {2, 16}});
  const prefetch_ticket one = s.ahead.launch(s.asks(1, 24), stop_rule::best_effort());
  const prefetch_ticket unknown{user_id{7}, 99};
  s.ahead.launch(s.asks(2, 16));
  const request r = s.asks(1, 24);
  const prefetch_ticket batch[] = {one, unknown};
  s.poll();
  REQUIRE(s.figures().steps == 5);
  s.ahead.renew(one, s.asks(1, 24), stop_rule::best_effort());  // open again
  s.ahead.cancel(user_id{2});
  s.ahead.launch(s.asks(2, 16));
  const auto lease = s.ahead.take_if(batch, [&] {
    auto l = s.cache.prepare({&r, 1}, s.compute);
    s.poll();  // as another thread may
    CHECK(s.here(2, 16).empty());
    return l;
  });
  REQUIRE(lease.has_value());
  CHECK(s.figures().late_tokens == 24);
  s.poll();
  CHECK_FALSE(s.here(2, 16).empty());
}

TEST_CASE("who is cancelled while they are prepared keeps what their lease has", "[prefetcher]")
{
  queue_scene s(32, bounds(32, 8, 8));
  s.below({{1, 24}});
  const prefetch_ticket one = s.ahead.launch(s.asks(1, 24));
  s.poll();
  const request r = s.asks(1, 24);
  const auto lease = s.ahead.take_if({&one, 1}, [&] {
    auto l = s.cache.prepare({&r, 1}, s.compute);
    CHECK(s.ahead.cancel(one) == 0);
    return l;
  });
  REQUIRE(lease.has_value());
  CHECK(is(lease->sources(0), 24, 0, 0));
  CHECK(s.figures().cancelled == 1);
  CHECK(s.figures().taken == 0);
  CHECK(s.ahead.held_pages() == 0);
}

TEST_CASE("a fingerprint is left to prepare", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 8, 8));
  const std::vector<std::uint64_t> right{1, 2};
  request r = s.asks(1, 16);
  r.fingerprint = {8, right};
  {
    auto l = s.cache.prepare({&r, 1}, s.compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
    l.commit();
  }
  s.below({});
  const std::vector<std::uint64_t> wrong{1, 3};
  r.fingerprint = {8, wrong};
  s.ahead.launch(r);
  s.poll();
  CHECK(s.figures().queued_tokens == 16);
  CHECK_THROWS_AS(s.cache.prepare({&r, 1}, s.compute), history_error);
}

TEST_CASE("a window is prefetched as far as it goes, and its stretches are left to prepare", "[prefetcher]")
{
  queue_scene s(16, bounds(16, 8, 8));
  request r = s.asks(1, 40);
  r.first_token = 10;
  std::vector<std::uint64_t> hashes{1, 2, 3};
  r.stretches = {.stride = 10, .hashes = hashes};
  {
    auto l = s.cache.prepare({&r, 1}, s.compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
    l.commit();
  }
  s.below({});
  r.first_token = 22;
  hashes = {3, 4};
  r.history_tokens = 50;
  s.ahead.launch(r);
  hashes.assign(2, 0);  // nobody looks at them any more
  s.poll();
  CHECK(s.figures().queued_tokens == 18);
  CHECK(s.figures().turned_down == 0);
}

TEST_CASE("a prefetcher refuses sizes that lead nowhere", "[prefetcher]")
{
  emulated_device device({.time = time_mode::virtual_time});
  default_scene_cache cache(device, tiny_config<default_scene_cache>(8, 8));
  using ahead = prefetcher<default_scene_cache>;
  CHECK_THROWS_AS(ahead(cache, bounds(0, 1, 1)), config_error);
  CHECK_THROWS_AS(ahead(cache, bounds(1, 0, 1)), config_error);
  CHECK_THROWS_AS(ahead(cache, bounds(1, 1, 0)), config_error);
  ahead right(cache, bounds(1, 1, 1));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(right.launch({.user = user_id{1}, .history_tokens = 4}, stop_rule::by(nan)), usage_error);
  CHECK(right.waiting() == 0);
  right.launch({.user = user_id{1}, .history_tokens = 4});
  CHECK_THROWS_AS(right.poll(nan), usage_error);
  CHECK_THROWS_AS(right.try_wait(user_id{1}, nan), usage_error);
  right.poll(0);
  CHECK(right.try_wait(user_id{1}, 0));
}

TEST_CASE("a failed device is told", "[prefetcher]")
{
  emulated_device device({.time = time_mode::virtual_time});
  default_scene_cache cache(device, tiny_config<default_scene_cache>(8, 16));
  const stream_id compute = device.create_stream("compute");
  const auto serve = [&](unsigned user) {
    const request r{.user = user_id{user}, .history_tokens = 32};
    auto l = cache.prepare({&r, 1}, compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
    l.commit();
  };
  serve(1);
  serve(2);
  cache.drain_sync();
  prefetcher<default_scene_cache> ahead(cache, bounds(8, 8, 8));
  ahead.launch({.user = user_id{1}, .history_tokens = 32});
  device.fail_next_copy();
  CHECK_THROWS_AS((ahead.poll(0), device.advance_host(1), ahead.poll(1)), device_error);
}

// --- a cache that is nothing but numbers, and knows what is right ----------------------------------------------------

namespace {

/// A user's history is a number of pages; a step arrives when the test says so. Judges every call.
struct judge
{
  struct user_state
  {
    bool launched = false;
    std::uint64_t place = 0;
    page_count left = 0, came = 0, under_way_pages = 0;
    unsigned under_way = 0;
    bool given_up = false, over = false;
    stop_rule stop = stop_rule::wait();
  };

  result<prefetch_outcome> prefetch(const request& r, const prefetch_limit& limit)
  {
    user_state& u = users[to_number(r.user)];
    page_count held = 0;
    unsigned under_way = 0;
    for (const auto& [id, other] : users) {
      if (!other.launched) continue;
      held += other.came;
      under_way += other.under_way;
      const bool is_open = other.left != 0 && !other.given_up && !other.over;
      if (other.place < u.place && is_open) ++faults;  // overtaken
    }
    if (!u.launched || u.given_up || u.over) ++faults;
    if (limit.pages == 0 || limit.pages > step || held + limit.pages > budget) ++faults;
    if (under_way >= in_flight) ++faults;
    if (random() % 5 == 0) return pressure{};
    prefetch_outcome out{.left = u.left * tiny_page};
    if (u.left != 0 && limit.pages == step && random() % 8 == 0) {
      u.given_up = true;
      return out;  // no room within the limits
    }
    out.pages = (std::min)(u.left, limit.pages);
    out.tokens = out.pages * tiny_page;
    u.left -= out.pages;
    u.came += out.pages;
    if (out.pages != 0) {
      ++u.under_way;
      u.under_way_pages += out.pages;
      queued += out.pages;
    }
    out.left = u.left * tiny_page;
    return out;
  }
  token_count undo_prefetch(user_id user)
  {
    user_state& u = users[to_number(user)];
    u.left += u.came;
    return u.came * tiny_page;
  }
  bool arrived(user_id user) { return users[to_number(user)].under_way == 0; }
  void wait_arrived_sync(user_id user) { users[to_number(user)].under_way = 0; }

  page_count budget = 0, step = 0;
  unsigned in_flight = 0;
  std::mt19937_64 random{1};
  std::map<std::uint64_t, user_state> users;
  std::uint64_t faults = 0, queued = 0;
};

static_assert(prefetches_users<judge> && prefetches_users<default_scene_cache>);

}  // namespace

TEST_CASE("budget, order and rules hold at every step of a random sequence", "[prefetcher]")
{
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 21)));
  judge c;
  c.random.seed(seed);
  const auto below = [&c](std::uint64_t bound) { return static_cast<unsigned>(c.random() % bound); };
  c.step = 1 + below(5);
  c.budget = 12 + below(12);
  c.in_flight = 1 + below(4);
  prefetcher<judge> ahead(c, bounds(c.budget, c.step, c.in_flight));
  std::uint64_t launched = 0, cancelled = 0, taken = 0, saved = 0, late = 0, rolled_back = 0;
  double now = 0;
  for (int i = 0; i < 3000; ++i) {
    const unsigned id = below(8);
    judge::user_state& u = c.users[id];
    const bool complete = u.launched && (u.left == 0 || u.given_up || u.over) && u.under_way == 0;
    switch (below(8)) {
      case 0:
        if (u.launched) break;
        u = {.launched = true, .place = ++launched, .left = below(12)};
        u.stop = below(3) == 0   ? stop_rule::best_effort()
                 : below(2) == 0 ? stop_rule::wait()
                                 : stop_rule::by(now + below(20));
        ahead.launch({.user = user_id{id}, .history_tokens = 100}, u.stop);
        break;
      case 1:
        if (!u.launched || !complete) break;
        saved += u.came;
        ++taken;
        REQUIRE(ahead.take(user_id{id}) == u.came * tiny_page);
        u = {};
        break;
      case 2:
        if (!u.launched || below(3) != 0) break;
        if (below(2) == 0) {
          rolled_back += u.came;
          ++cancelled;
          REQUIRE(ahead.cancel(user_id{id}) == u.came * tiny_page);
        } else {
          const page_count got = u.under_way == 0 ? u.came : 0;
          const auto told = static_cast<page_count>(ahead.take(user_id{id}) / tiny_page);
          REQUIRE(told >= got);
          REQUIRE(told <= u.came - u.under_way_pages);
          saved += told;
          late += u.came - told;
          ++taken;
        }
        u = {};
        break;
      case 3:
        u.under_way = 0;
        u.under_way_pages = 0;
        break;
      case 4: now += below(3); break;
      default: {
        for (auto& [other, state] : c.users) state.over = state.over || (state.launched && state.stop.is_over(now));
        const std::uint64_t refused = ahead.figures().refused;
        ahead.poll(now);
        if (ahead.figures().refused != refused) break;
        unsigned under_way = 0;
        bool all_done = true;
        for (const auto& [other, state] : c.users) {
          under_way += state.under_way;
          all_done = all_done && (!state.launched || state.left == 0 || state.given_up || state.over);
        }
        const bool stopped_rightly = all_done || under_way == c.in_flight || ahead.held_pages() == c.budget;
        REQUIRE(stopped_rightly);
      }
    }
    REQUIRE(c.faults == 0);
    page_count held = 0;
    for (const auto& [other, state] : c.users) {
      if (!state.launched) continue;
      held += state.came;
      const bool left_alone = state.left != 0 && !state.given_up && !state.over;
      const bool time_over = state.stop.deadline() <= now;
      const bool may_go = ahead.try_wait(user_id{other}, now);
      if (state.stop.what() == stop_rule::kind::best_effort || time_over) REQUIRE(may_go);
      else if (left_alone || state.under_way != 0) REQUIRE_FALSE(may_go);
    }
    REQUIRE(ahead.held_pages() == held);
    REQUIRE(held <= c.budget);
  }
  const prefetch_figures& f = ahead.figures();
  CHECK(f.launched == launched);
  CHECK(f.launched == f.taken + f.cancelled + ahead.waiting());
  CHECK(f.taken == taken);
  CHECK(f.cancelled == cancelled);
  CHECK(f.queued_tokens == c.queued * tiny_page);
  CHECK(f.saved_tokens == saved * tiny_page);
  CHECK(f.late_tokens == late * tiny_page);
  CHECK(f.rolled_back_tokens == rolled_back * tiny_page);
  CHECK(launched > 50);
  CHECK(rolled_back > 0);
}

TEST_CASE("a random queue over a real cache: nothing leaks, and the tracker counts the same", "[prefetcher]")
{
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 9)));
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t bound) { return static_cast<unsigned>(random() % bound); };
  queue_scene s(24, bounds(10, 1 + below(4), 1 + below(3), below(2) == 0 ? 4 : 1000), 150);
  std::map<unsigned, token_count> lengths;
  std::vector<prefetch_ticket> given;
  const auto one_given = [&] { return given.empty() ? prefetch_ticket{} : given[below(given.size())]; };
  for (int i = 0; i < 800; ++i) {
    const unsigned user = below(12);
    token_count& length = lengths[user];
    switch (below(12)) {
      case 0:
      case 1:
        length = (std::min)(length + below(12), 64U);
        s.ahead.take(user_id{user});
        s.serve(user, length, below(2));
        break;
      case 2:
      case 3: {
        const stop_rule stop = below(2) == 0 ? stop_rule::wait() : stop_rule::by(s.now() + below(9));
        given.push_back(s.ahead.launch(s.asks(user, length), stop));
        break;
      }
      case 4: s.ahead.cancel(user_id{user}); break;
      case 5:
        if (below(8) == 0) s.cache.erase(user_id{user});
        break;
      case 6: s.device.advance_host(unit * below(6)); break;
      case 7:
        if (below(6) == 0) static_cast<void>(s.ahead.wait_sync(user_id{user}));
        break;
      case 8: s.ahead.cancel(one_given()); break;
      case 9: {
        const prefetch_ticket ticket = one_given();
        const request r = s.asks(static_cast<unsigned>(to_number(ticket.user)), 16);
        const auto nobody = below(2) == 0 ? s.hold(500, 88) : s.hold(500, 0);
        const auto lease = s.ahead.take_if({&ticket, 1}, [&] { return s.cache.prepare({&r, 1}, s.compute); });
        REQUIRE(s.cache.stats().leases == (lease ? 2 : 1));
        break;
      }
      default: s.poll();
    }
    REQUIRE(s.ahead.held_pages() <= 10);
    const prefetcher_stats queue = s.ahead.stats();
    REQUIRE(queue.launched == queue.taken + queue.cancelled + queue.waiting);
    const cache_stats now = s.cache.stats();
    REQUIRE(now.leases == 0);
    REQUIRE(now.levels[0].free_bytes + now.levels[0].resident_bytes + now.levels[0].in_flight_bytes ==
            now.levels[0].capacity_bytes);
  }
  for (unsigned user = 0; user < 12; ++user) s.ahead.cancel(user_id{user});
  const prefetch_figures& f = s.figures();
  const auto counted = s.cache.tracker().read();
  CHECK(s.ahead.waiting() == 0);
  CHECK(s.ahead.held_pages() == 0);
  CHECK(f.queued_tokens == counted.prefetched_tokens);
  CHECK(f.displaced_tokens == counted.displaced_tokens);
  CHECK(f.rolled_back_tokens == counted.undone_tokens);
  CHECK(f.queued_tokens >= counted.saved_tokens + counted.undone_tokens);  // some were evicted before they were read
  CHECK(counted.saved_tokens > 0);
  CHECK(f.turned_down == 0);
}
