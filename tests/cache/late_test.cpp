// Provisional leases, one story each: begun before what they serve has come, decided when it has.
#include "cache/late_bed.hpp"
#include "support/allocation_count.hpp"
#include "support/effort.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using scene_of_late = store_scene<>;
constexpr memory_store_config slow{.lanes = 2, .in_flight = 8, .least_seconds = 1e-3, .most_seconds = 1e-3};

/// Users 1, 2, 3 have 30 tokens each, in the store alone. 24 and 32 pages: whoever comes between sends them out.
struct late_scene : scene_of_late
{
  explicit late_scene(const memory_store_config& how = slow) : scene_of_late(how), late(device.create_stream("late"))
  {
    for (unsigned u = 1; u <= 3; ++u) serve(u, 30);
    push_out(100);
    for (unsigned u = 1; u <= 3; ++u) REQUIRE(record(u)->tokens == token_interval{0, 30});
    cache->drain_sync();
    before = figures();
  }
  void push_out(unsigned first)
  {
    for (unsigned u = first; u < first + 7; ++u) serve(u, 32);
    settle();
  }
  /// Tokens that ever came into the arena.
  [[nodiscard]] std::uint64_t came_down()
  {
    const tier_stats arena = cache->stats().levels[1];
    return arena.resident_tokens + arena.evicted_tokens;
  }

  stream_id late;
  store_figures before;
};

}  // namespace

TEST_CASE("any copy of a provisional lease is refused: the call is turned away, and its user is served all the same")
{
  bool turned_away = false;
  bool taken = false;
  for (std::uint64_t copies = 0; copies < 48; copies += 5) {
    CAPTURE(copies);
    late_scene s;
    s.device.refuse_next_copy(copies);
    const auto one = serve_late(s, {{1, 34}}, s.late);
    if (!one) CHECK(one.why.why == pressure::reason::copy_refused);
    (one ? taken : turned_away) = true;
    s.device.refuse_next_copy(0, 0);
    s.settle();
    CHECK(s.cache->stats().leases == 0);
    s.serve(1, 36);
    const auto again = serve_late(s, {{1, 38}}, s.late);
    CHECK((again && again.sources[0].from[0] == 36));
  }
  CHECK((turned_away && taken));
}

TEST_CASE("a lease begins before the store has answered: it is kept when it has, and nobody is served of it before")
{
  late_scene s;
  const std::uint64_t down = s.came_down();
  const auto one = serve_late(s, {{1, 34}}, s.late);
  REQUIRE(one);
  CHECK(one.sources[0].from[2] == 30);
  CHECK(one.sources[0].computed == 4);
  CHECK(one.tickets[0].number != 0);
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::pending);
  CHECK(s.cache->stats().leases == 0);
  CHECK(s.came_down() == down);

  const auto again = serve_late(s, {{1, 34}}, s.late);  // nor another provisional lease
  REQUIRE_FALSE(again);
  CHECK(again.why.why == pressure::reason::arriving);
  CHECK_FALSE(s.serve(1, 34, true, 0, false));
  CHECK_FALSE(s.cache->arrived(user_id{1}));
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::pending);
  s.device.wait_sync(arrival_of(again.why));
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::pending);  // nobody has come by
  CHECK(s.came_down() == down);
  s.cache->poll();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::kept);
  CHECK(s.came_down() == down + 34);
  CHECK(s.serve(1, 36)->from[0] == 34);
  CHECK_FALSE(one.is_wrong(0));
  const store_figures f = s.figures();
  CHECK(f.late_gets == s.before.late_gets + 1);
  CHECK(f.late_tokens == s.before.late_tokens + 30);
  CHECK(f.staged_tokens == s.before.staged_tokens);
  s.cache->drain_sync();
  s.push_out(200);
  CHECK(s.record(1)->tokens == token_interval{0, 36});  // the same life goes on
}

TEST_CASE("a lost read forgets its user's tokens of that lease, counts, and touches no other user")
{
  late_scene s;
  s.store.lose_next();  // user 1's
  const auto both = serve_late(s, {{1, 34}, {2, 37}, {50, 9}}, s.late);
  REQUIRE(both);
  CHECK(both.sources[1].from[2] == 30);
  CHECK(both.tickets[2] == lease_ticket{});
  CHECK(s.cache->outcome(both.tickets[2]) == lease_outcome::kept);
  s.settle();
  CHECK(s.cache->outcome(both.tickets[0]) == lease_outcome::lost);
  CHECK(s.cache->outcome(both.tickets[1]) == lease_outcome::kept);
  CHECK(both.is_wrong(0));
  CHECK_FALSE(both.is_wrong(1));
  CHECK(s.figures().lost_gets == s.before.lost_gets + 1);
  CHECK_FALSE(s.record(1));
  CHECK(s.serve(2, 38)->from[0] == 37);
  CHECK(s.serve(50, 9)->from[0] == 9);
  CHECK(s.serve(1, 34)->computed == 34);
  CHECK(s.cache->outcome(both.tickets[0]) == lease_outcome::lost);  // for good
}

TEST_CASE("what was there before a lost read is there after it")
{
  late_scene s;
  s.serve(1, 22);  // staged, with the rest of the page
  s.store.lose_next();
  const auto one = serve_late(s, {{1, 34}}, s.late);
  REQUIRE(one);
  CHECK(one.sources[0].from[0] == 22);
  CHECK(one.sources[0].from[2] == 6);
  s.settle();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::lost);
  const auto after = s.serve(1, 34);
  CHECK(after->from[0] == 22);
  CHECK(after->from[1] == 2);
  CHECK(after->computed == 10);
}

TEST_CASE("a page that has a valid row is not read into, and is as it was when the read is lost")
{
  const auto shelf = std::make_shared<record_shelf>();
  scene_of_late a({.in_flight = 40}, {.room = 400}, 0, shelf), b(slow, {}, 0, shelf);
  const auto put_away = [&a](unsigned first) {
    for (unsigned u = first; u < first + 7; ++u) a.serve(u, 32);
    a.settle();
  };
  a.serve(1, 22);
  put_away(100);
  b.serve(1, 22);  // five pages and a half, and the arena has no more
  a.serve(1, 30);
  put_away(200);
  REQUIRE(b.record(1)->tokens == token_interval{0, 30});
  b.store.lose_next();
  const auto one = serve_late(b, {{1, 34}}, b.device.create_stream("late"));
  REQUIRE(one);
  CHECK(one.sources[0].from[0] == 22);
  CHECK(one.sources[0].from[2] == 6);
  b.settle();
  CHECK(b.cache->outcome(one.tickets[0]) == lease_outcome::lost);
  CHECK(b.serve(1, 30)->from[0] == 22);  // and are still compared by what was vouched for before
}

TEST_CASE("decided before its commit, a lease is as any other, or keeps nothing")
{
  for (const bool lost : {false, true}) {
    CAPTURE(lost);
    late_scene s;
    if (lost) s.store.lose_next();
    auto one = begin_late(s, {{1, 34}}, s.late);
    REQUIRE(one);
    s.settle();
    CHECK(s.cache->outcome(one.tickets[0]) == (lost ? lease_outcome::lost : lease_outcome::kept));
    const request r{.user = user_id{1}, .history_tokens = 34};
    const auto held = s.cache->prepare({&r, 1}, s.compute);
    REQUIRE_FALSE(held.has_value());
    CHECK(held.why().why == pressure::reason::user_held);
    one.lease->commit();
    one.lease->release();
    CHECK(s.serve(1, 34)->computed == (lost ? 34 : 0));
  }
}

TEST_CASE("dropped without a commit, what came is the user's all the same, and what was computed is nobody's")
{
  for (const bool lost : {false, true}) {
    CAPTURE(lost);
    late_scene s;
    if (lost) s.store.lose_next();
    auto one = begin_late(s, {{1, 34}}, s.late);
    REQUIRE(one);
    one.lease.reset();
    CHECK(s.cache->stats().leases == 0);
    s.settle();
    CHECK(s.serve(1, 34)->computed == (lost ? 34 : 4));
  }
}

TEST_CASE("erased while its read is under way, nothing of a user is kept; a new epoch keeps nothing either")
{
  {
    late_scene s;
    const auto one = serve_late(s, {{1, 34}}, s.late);
    CHECK(s.cache->erase(user_id{1}));
    s.texts[1].rewrite(0);
    s.settle();
    CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::lost);
    CHECK(s.serve(1, 34)->computed == 34);
    CHECK(s.serve(1, 34)->from[0] == 34);
  }
  {
    late_scene s;
    auto one = begin_late(s, {{1, 34}}, s.late);
    CHECK(s.cache->erase(user_id{1}));
    s.texts[1].rewrite(0);
    one.lease->commit();
    s.settle();
    one.lease->release();
    CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::lost);
    CHECK(s.serve(1, 34)->computed == 34);
  }
  late_scene s;
  const auto one = serve_late(s, {{1, 34}}, s.late);
  s.epoch = epoch_id{7};
  s.cache->advance_epoch(s.epoch);
  s.settle();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::kept);  // the answer is right, of a model that was
  CHECK(s.serve(1, 34)->computed == 34);
}

TEST_CASE("a rewritten history, another window or a tail over what the store has: staged, not counted on")
{
  late_scene s;
  s.texts[1].rewrite(7);
  auto one = serve_late(s, {{1, 34}}, s.late);
  REQUIRE(one);  // contradicted, so there is nothing to wait for
  CHECK(one.sources[0].computed == 34);
  request window{.user = user_id{2}, .history_tokens = 34, .first_token = 9};
  window.provisional = true;
  auto lease = s.cache->prepare({&window, 1}, s.compute);
  REQUIRE_FALSE(lease.has_value());
  CHECK(lease.why().why == pressure::reason::arriving);
  request tail{.user = user_id{3}, .history_tokens = 30, .volatile_tail = 4};
  tail.provisional = true;
  lease = s.cache->prepare({&tail, 1}, s.compute);
  REQUIRE_FALSE(lease.has_value());
  CHECK(lease.why().why == pressure::reason::arriving);
}

TEST_CASE("where streams cannot wait for the host, or too many reads are late, it is staged instead")
{
  {
    late_scene s;
    s.device.deaf = "the driver is too old";
    const auto one = serve_late(s, {{1, 34}}, s.late);
    REQUIRE_FALSE(one);
    CHECK(one.why.why == pressure::reason::arriving);
    s.settle();
    CHECK(s.serve(1, 34)->from[1] == 30);
    CHECK(s.figures().late_gets == 0);
  }
  late_scene s;
  s.late_reads = 2;
  s.start();
  REQUIRE(serve_late(s, {{1, 30}, {2, 30}}, s.late));
  const auto third = serve_late(s, {{3, 30}}, s.late);  // for which there were pages
  REQUIRE_FALSE(third);
  CHECK(third.why.why == pressure::reason::arriving);
  s.settle();
  CHECK(s.figures().late_gets == 2);
  CHECK(s.serve(3, 34)->from[1] == 30);
}

TEST_CASE("what a prefetch has begun to stage a provisional lease counts on")
{
  late_scene s;
  const request r{.user = user_id{1}, .history_tokens = 30};
  REQUIRE_FALSE(s.cache->prefetch(r).has_value());
  const auto one = serve_late(s, {{1, 34}}, s.late);
  REQUIRE(one);
  CHECK(one.sources[0].from[2] == 30);
  CHECK(s.figures().gets == s.before.gets + 1);
  s.settle();
  CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::kept);
  s.texts[1].rewrite(32);  // what it vouched for counts from then on
  CHECK(s.serve(1, 34)->computed == 34);
}

TEST_CASE("a lane that never answers holds up its lease, nobody else, and neither close nor destruction for ever")
{
  const auto go_on = [](late_scene& s) {
    s.store.silence(~std::uint64_t{0});
    const auto one = serve_late(s, {{1, 34}}, s.late);
    REQUIRE(one);
    s.store.silence(0);  // but its lane waits for it
    const double before = s.device.now();
    for (unsigned u = 103; u < 107; ++u) s.serve(u, 33);  // from the arena and the slab, and out of it
    for (unsigned u = 200; u < 210; ++u) s.serve(u, 32);
    s.device.wait_sync(s.device.record(s.compute));
    CHECK(s.device.now() < before + 1e-3);
    CHECK(s.cache->outcome(one.tickets[0]) == lease_outcome::pending);
    s.cache->erase(user_id{1});  // who begins anew waits for nothing of what was
    CHECK(s.serve(1, 8, true, 0, false)->computed == 8);
    s.settle();
    const stream_id too = s.device.create_stream("late, too");
    const auto two = serve_late(s, {{2, 34}}, too);
    REQUIRE(two);
    CHECK(two.sources[0].from[2] == 30);
    s.settle();
    CHECK(s.cache->outcome(two.tickets[0]) == lease_outcome::kept);
    s.device.wait_sync(s.device.record(too));  // waits for its own read alone
    CHECK_FALSE(two.is_wrong(0));
    return one.tickets[0];
  };
  {
    late_scene s;
    const lease_ticket ticket = go_on(s);
    CHECK_THROWS_AS(s.cache->close(), usage_error);
    s.store.close();
    s.cache->poll();
    CHECK(s.cache->outcome(ticket) == lease_outcome::lost);
    CHECK(s.serve(1, 34)->computed == 26);
    s.cache->close();
  }
  late_scene s;
  static_cast<void>(go_on(s));
}

TEST_CASE("whichever allocation fails: what is kept is right, what is lost is nobody's, nothing stays held")
{
  const auto story = [](bool lost, bool in_prepare, std::size_t n) {
    CAPTURE(lost, in_prepare, n);
    late_scene s;
    s.serve(2, 12);
    if (lost) s.store.lose_next();
    bool failed = true;
    late_lease<back_cache> one;
    try {
      one = begin_late(s, {{1, 34}, {2, 31}}, s.late, true, in_prepare ? n : 0);
      const failing_allocation fails(in_prepare ? 0 : n);
      if (one) one.lease->commit();
      if (one) one.lease->release();
      s.device.advance_host(1e-2);
      s.cache->poll();
      failed = in_prepare ? one.failed : failing_allocation::happened();
    } catch (const std::bad_alloc&) {
    }
    one.lease.reset();
    s.settle();
    for (const lease_ticket ticket : one.tickets) CHECK(s.cache->outcome(ticket) != lease_outcome::pending);
    CHECK(s.cache->stats().leases == 0);
    for (unsigned u = 1; u <= 3; ++u) s.serve(u, 35);
    s.cache->drain_sync();
    const cache_stats stats = s.cache->stats();
    for (level_index i = 0; i < 2; ++i) {
      CHECK(stats.levels[i].free_bytes + stats.levels[i].resident_bytes == stats.levels[i].capacity_bytes);
    }
    for (unsigned u = 1; u < 110; ++u) s.cache->erase(user_id{u});
    for (level_index i = 0; i < 2; ++i) CHECK(s.cache->stats().levels[i].resident_bytes == 0);
    s.cache->close();
    CHECK(s.store.under_way() == 0);
    return failed;
  };
  for (const auto& [lost, in_prepare] : {std::pair{false, true}, {false, false}, {true, false}}) {
    std::size_t n = 1;
    while (story(lost, in_prepare, n)) n += effort == 1 ? 3 : 1;
  }
}

TEST_CASE("who waits for pages that a released lease keeps for a store hears when that has answered")
{
  for (const bool comes : {true, false}) {
    CAPTURE(comes);
    late_scene s;
    if (!comes) s.store.lose_next();
    const auto one = serve_late(s, {{1, 34}}, s.late);
    REQUIRE(one);
    const request r{.user = user_id{50}, .history_tokens = 64, .epoch = s.epoch};
    const auto held = s.cache->prepare({&r, 1}, s.compute);
    REQUIRE_FALSE(held);
    REQUIRE(held.why().why == pressure::reason::held);
    CHECK_FALSE(s.cache->wait_sync(held.why(), std::chrono::nanoseconds::min()));
    s.device.advance_host(1);  // and nobody else calls
    CHECK(s.cache->wait_sync(held.why(), std::chrono::nanoseconds(0)));
    CHECK(s.cache->prepare({&r, 1}, s.compute));
  }
}

TEST_CASE("beside a request of parts nobody is served before it has come")
{
  late_scene s;
  const part p{.key = {3, 9}, .tokens = 5, .mode = part_mode::read};
  const request batch[] = {{.user = user_id{1}, .history_tokens = 34, .epoch = s.epoch, .provisional = true},
                           {.user = user_id{2}, .epoch = s.epoch, .parts = {&p, 1}}};
  const auto early = s.cache->prepare(batch, s.late);
  REQUIRE_FALSE(early);
  REQUIRE(early.why().why == pressure::reason::arriving);
  s.device.wait_sync(arrival_of(early.why()));
  const auto lease = s.cache->prepare(batch, s.late);
  REQUIRE(lease);
  CHECK(lease->sources(0).from[1] == 30);
  CHECK(lease->ticket(0) == lease_ticket{});
}

TEST_CASE("of the outcomes the oldest are forgotten, and count as lost")
{
  outcome_book book;
  const lease_ticket kept = book.open();
  book.decide(kept, true);
  const lease_ticket waits = book.open();
  std::vector<lease_ticket> lost;
  for (int i = 0; i < 5000; ++i) {
    lost.push_back(book.open());
    book.decide(lost.back(), false);
    if (i == 0) CHECK(book.of(kept) == lease_outcome::kept);
  }
  const lease_ticket newest = book.open();
  book.decide(newest, true);
  CHECK(book.of(kept) == lease_outcome::lost);  // nobody knows any more
  for (const lease_ticket ticket : lost) REQUIRE(book.of(ticket) == lease_outcome::lost);
  CHECK(book.of(newest) == lease_outcome::kept);
  CHECK(book.of(waits) == lease_outcome::pending);  // however old
  CHECK(book.of({newest.number + 1}) == lease_outcome::lost);
  book.decide(waits, false);  // older than what is forgotten, and the next to be forgotten itself
  lost.push_back(waits);
  lost.push_back(book.open());
  book.decide(lost.back(), false);
  for (const lease_ticket ticket : lost) REQUIRE(book.of(ticket) == lease_outcome::lost);
  CHECK(book.of({}) == lease_outcome::kept);
}
