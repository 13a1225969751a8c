// A store below the arena, one story each: what goes down, what is staged, what is lost and what it costs; whose rows never
// meet; and what a store does that fails.
#include "cache/stores_bed.hpp"

#include <cstdint>
#include <set>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using knowledge = found_record::knowledge;

/// Whoever comes between sends user 1 out of slab and arena: 24 and 32 pages.
template <class Scene>
void push_out(Scene& s, unsigned first = 100, unsigned users = 6)
{
  for (unsigned u = first; u < first + users; ++u) s.serve(u, 32);
}

/// Serves user 1's [first, history), of which nothing is told; nobody looks at the rows.
token_sources serve_window(store_scene<>& s, token_count first, token_count history)
{
  const request r{.user = user_id{1}, .history_tokens = history, .epoch = s.epoch, .first_token = first};
  return s.serve_anyhow(r);
}

}  // namespace

TEST_CASE("what leaves the arena goes to the store, costs no entry there, and is staged before the next lease")
{
  store_scene s({.least_seconds = 1e-4, .most_seconds = 2e-4});
  s.serve(1, 30);
  push_out(s);
  s.settle();
  REQUIRE(s.record(1));
  CHECK((s.record(1)->tokens == token_interval{0, 30}));
  CHECK(s.record(1)->vouched_tokens == 30);
  const cache_stats before = s.cache->stats();
  CHECK(before.depth == 3);
  CHECK(before.levels[2].name == "memory_store");
  CHECK(before.levels[0].dropped_tokens + before.levels[1].dropped_tokens + before.levels[2].dropped_tokens == 0);
  CHECK(before.users <= 5);

  CHECK_FALSE(s.serve(1, 34, true, 0, false));  // too early: on its way
  CHECK_FALSE(s.cache->arrived(user_id{1}));
  CHECK_FALSE(s.serve(1, 34, true, 0, false));  // once
  CHECK(s.figures().gets == 1);
  s.device.advance_host(1);
  CHECK(s.cache->arrived(user_id{1}));
  const auto sources = s.serve(1, 34);
  REQUIRE(sources);
  CHECK(sources->from[1] == 30);
  CHECK(sources->computed == 4);
  const store_figures f = s.figures();
  CHECK(f.gets == 1);
  CHECK(f.staged_tokens == 30);
  CHECK(f.lost_gets + f.lost_puts + f.unused_gets + f.refused_tokens + f.foreign == 0);
}

TEST_CASE("a server that only polls has it staged; a prefetch says that it is on its way")
{
  store_scene s({.least_seconds = 1e-4, .most_seconds = 2e-4});
  s.serve(1, 30);
  push_out(s);
  s.settle();
  const request r{.user = user_id{1}, .history_tokens = 30};
  const auto early = s.cache->prefetch(r);
  REQUIRE_FALSE(early.has_value());
  CHECK(early.why().why == pressure::reason::arriving);
  CHECK_FALSE(s.cache->wait_sync(early.why(), std::chrono::nanoseconds(0)));
  s.cache->wait_arrived_sync(user_id{1});
  CHECK(s.cache->wait_sync(early.why(), std::chrono::nanoseconds(0)));
  CHECK(s.cache->stats().pressures(pressure::reason::arriving) == s.arrivals + 1);
  s.cache->poll();
  CHECK(s.figures().staged_tokens == 30);
  const auto up = s.cache->prefetch(r);  // and from the arena to the slab as ever
  REQUIRE(up.has_value());
  CHECK(up->tokens == 30);
  CHECK(s.serve(1, 30)->from[0] == 30);
  CHECK(s.figures().gets == 1);
}

TEST_CASE("a read that is lost is a miss, counted, and the record is not found again")
{
  store_scene s;
  s.serve(1, 30);
  push_out(s);
  s.settle();
  const auto before = *s.record(1);
  s.store.lose_next();
  const auto sources = s.serve(1, 30);
  REQUIRE(sources);
  CHECK(sources->computed == 30);
  CHECK(s.figures().lost_gets == 1);
  CHECK_FALSE(s.record(1));
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));  // computed anew: another life
  CHECK(s.record(1)->incarnation != before.incarnation);
  CHECK(s.serve(1, 30)->from[1] == 30);
}

TEST_CASE("a write that is lost is counted where it was to go, and its tokens are computed again")
{
  store_scene s;
  s.serve(1, 30);
  s.store.lose_next();  // the first put is user 1's
  push_out(s);
  s.settle();
  const cache_stats stats = s.cache->stats();
  CHECK(stats.stores[2].lost_puts == 1);
  CHECK(stats.levels[1].dropped_tokens == 0);
  CHECK(stats.levels[2].dropped_tokens != 0);
  CHECK(stats.levels[2].dropped_tokens <= 30);
  const auto again = s.serve(1, 30);
  REQUIRE(again);
  CHECK(again->computed >= stats.levels[2].dropped_tokens);
}

TEST_CASE("a queue that is full drops, and counts, and holds nobody up")
{
  store_scene s({.lanes = 1, .in_flight = 1, .silent_lanes = 1});
  for (unsigned u = 1; u <= 40; ++u) s.serve(u, 32);
  const cache_stats stats = s.cache->stats();
  CHECK(stats.stores[2].puts == 1);
  CHECK(stats.stores[2].refused_tokens == stats.levels[1].dropped_tokens);
  CHECK(stats.levels[1].dropped_tokens > 500);
  CHECK(stats.levels[1].evicted_tokens == stats.levels[1].dropped_tokens + stats.stores[2].put_tokens);
  CHECK(s.device.stats().host_waits == 0);
  CHECK(s.device.now() == 0);
  const double modelled = 40 * 3 * 1e-6;
  s.device.wait_sync(s.device.record(s.compute));  // what was computed waits for nothing of the store
  CHECK(s.device.now() < 2 * modelled);
  CHECK_THROWS_AS(s.cache->close(), usage_error);  // nobody answers: not for ever, and in a sentence
  s.store.close();
  s.cache->close();
}

TEST_CASE("a room that is full drops, too; a history larger than it comes in several steps")
{
  store_scene s({.lanes = 4, .in_flight = 8, .least_seconds = 1e-3, .most_seconds = 1e-3}, {.room = 8});
  s.serve(1, 60);  // 15 pages; the room has 4 a way
  push_out(s);
  CHECK(s.figures().refused_tokens != 0);
  s.settle();
  s.sizes.room = 64;
  s.start();
  s.serve(2, 60);
  push_out(s);
  s.settle();
  REQUIRE((s.record(2)->tokens == token_interval{0, 60}));
  s.sizes.room = 8;
  s.start();
  const auto sources = s.serve(2, 60);
  REQUIRE(sources);
  CHECK(sources->from[1] == 60);
  CHECK(s.figures().gets == 4);
  CHECK(s.figures().staged_tokens == 60);
}

TEST_CASE("a store that does not know is asked, once a request")
{
  store_scene s({.least_seconds = 1e-4, .most_seconds = 1e-4, .unknown_in = 1});
  s.serve(1, 30);
  CHECK(s.figures().asked == 1);
  push_out(s);
  s.settle();
  CHECK(s.serve(1, 30)->from[1] == 30);
  s.store.lose_next();  // the answer
  CHECK(s.serve(77, 30)->computed == 30);
}

TEST_CASE("after a restart the store's record is served, and what follows is of a life of its own with all before it")
{
  store_scene s;
  s.serve(1, 30);
  push_out(s);
  s.settle();
  const record_header first = *s.record(1);
  s.start();
  CHECK(s.cache->stats().users == 0);
  CHECK(s.serve(1, 40)->from[1] == 30);
  push_out(s);
  s.settle();
  CHECK(s.record(1)->incarnation != first.incarnation);
  CHECK((s.record(1)->tokens == token_interval{0, 40}));

  s.start();
  s.store.lose_next();
  CHECK(s.serve(1, 40)->computed == 40);
  push_out(s);
  s.settle();
  CHECK(s.record(1)->incarnation != first.incarnation);
  CHECK(s.serve(1, 40)->from[1] == 40);
}

TEST_CASE("erasing reaches the store, and what is on its way there and back")
{
  store_scene s({.in_flight = 40, .least_seconds = 1e-3, .most_seconds = 1e-3}, {.room = 400});
  s.serve(1, 30);
  push_out(s);  // the put is under way
  REQUIRE(s.figures().puts != 0);
  CHECK(s.cache->erase(user_id{1}));
  s.settle();
  CHECK_FALSE(s.record(1));
  s.texts[1].rewrite(0);
  s.serve(1, 30);
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));
  CHECK_FALSE(s.serve(1, 30, true, 0, false));  // the get is under way
  CHECK(s.cache->erase(user_id{1}));
  s.texts[1].rewrite(0);
  CHECK(s.serve(1, 30)->computed == 30);
  s.settle();
  CHECK_FALSE(s.record(1));
  CHECK(s.cache->erase(user_id{1}));
  CHECK_FALSE(s.cache->erase(user_id{1}));
  CHECK_FALSE(s.cache->erase(user_id{9999}));
}

TEST_CASE("a rewritten history is another life: in the memories, in the store, and on the way up")
{
  store_scene s;
  s.serve(1, 30);
  push_out(s);
  s.settle();
  const record_header first = *s.record(1);

  s.texts[1].rewrite(10);  // the store alone knows them
  CHECK(s.serve(1, 34)->computed == 34);
  CHECK(s.figures().contradicted == 1);
  push_out(s, 200);
  s.settle();
  CHECK(s.record(1)->incarnation != first.incarnation);
  const record_header second = *s.record(1);

  CHECK(s.serve(1, 36)->from[1] == 34);
  s.texts[1].rewrite(20);  // the memories know them, too
  CHECK(s.serve(1, 38)->computed == 38);
  CHECK_FALSE(s.record(1));
  push_out(s, 300);
  s.settle();
  CHECK(s.record(1)->incarnation != second.incarnation);
  CHECK((s.record(1)->tokens == token_interval{0, 38}));
  CHECK(s.serve(1, 40)->from[1] == 38);
}

TEST_CASE("a request that contradicts a record, and is refused, ends the life of which the store was told to erase it")
{
  store_scene s;
  s.serve(1, 30);
  push_out(s);
  s.settle();
  const record_header first = *s.record(1);
  CHECK(s.serve(1, 30)->from[1] == 30);

  user_text other;
  other.rewrite(10);
  const std::vector<std::uint64_t> hashes = other.prefix_hashes(1, 34);
  request wrong{.user = user_id{1}, .history_tokens = 34, .epoch = s.epoch};
  wrong.fingerprint = {1, hashes};
  CHECK_THROWS_AS(s.cache->prepare({&wrong, 1}, s.compute), history_error);
  CHECK_FALSE(s.record(1));

  CHECK(s.serve(1, 34)->computed == 4);  // the memories go on with what they have
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));
  CHECK((s.record(1)->tokens == token_interval{0, 34}));
  CHECK(s.record(1)->incarnation != first.incarnation);
  CHECK(s.serve(1, 36)->from[1] == 34);
}

TEST_CASE("rows behind a shorter history with a volatile tail never meet those that come in their place")
{
  store_scene s;
  s.serve(1, 32);
  push_out(s);
  s.settle();
  CHECK(s.serve(1, 28, true, 8)->computed == 8);  // [20, 32) is of no use any more, in the store as well
  push_out(s, 200);
  s.settle();
  if (const auto now = s.record(1)) CHECK(now->tokens.end <= 20);
  CHECK(s.serve(1, 40)->fetched() == 20);
}

TEST_CASE("another epoch, and another format, is nobody's")
{
  store_scene s;
  s.serve(1, 30);
  push_out(s);
  s.settle();
  REQUIRE(s.record(1));
  s.epoch = epoch_id{5};
  s.cache->advance_epoch(s.epoch);
  CHECK(s.serve(1, 30)->computed == 30);
  CHECK(s.figures().foreign == 1);
  push_out(s, 200);
  s.settle();
  CHECK(s.record(1)->epoch == epoch_id{5});
  s.epoch = epoch_id{6};
  s.start();  // and after a restart
  CHECK(s.serve(1, 30)->computed == 30);
}

TEST_CASE("what a store has lost by itself goes there again, or is counted")
{
  store_scene s({.in_flight = 40});
  s.serve(1, 30);
  push_out(s, 100, 3);
  s.serve(1, 30);
  push_out(s);
  s.settle();
  REQUIRE(s.record(1));
  CHECK(s.serve(1, 30)->from[1] == 30);
  s.store.shelf().erase(key_of(user_id{1}));  // behind the cache's back
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));
  CHECK((s.record(1)->tokens == token_interval{0, 30}));
  CHECK(s.serve(1, 30)->from[1] == 30);
  CHECK(s.cache->stats().levels[1].dropped_tokens == 0);
}

TEST_CASE("a window that has moved takes from the store what lies in it, as it was computed")
{
  store_scene s;
  serve_window(s, 0, 30);
  push_out(s);
  s.settle();
  CHECK(serve_window(s, 9, 34).from[1] == 21);
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));
  CHECK(s.record(1)->first_token == 9);
  CHECK(s.record(1)->earlier_until == 30);
  CHECK((s.record(1)->tokens == token_interval{0, 34}));
  CHECK(serve_window(s, 9, 34).from[1] == 25);
  push_out(s, 300);
  s.settle();
  const auto before = s.record(1)->incarnation;
  CHECK(serve_window(s, 4, 34).computed == 30);  // wider: none of it saw as much
  push_out(s, 400);
  s.settle();
  CHECK(s.record(1)->incarnation != before);
  CHECK((s.record(1)->tokens == token_interval{4, 34}));
}

TEST_CASE("who computes rows of a life that another cache began goes on in one of their own; else in the same")
{
  store_scene s({}, {.slab = 12, .arena = 8});
  s.serve(1, 12);
  push_out(s);
  s.settle();
  const record_header first = *s.record(1);
  s.serve(1, 20);  // came back from the store
  push_out(s, 200);
  s.settle();
  CHECK(s.record(1)->incarnation == first.incarnation);
  CHECK((s.record(1)->tokens == token_interval{0, 20}));
  s.start();  // another cache
  s.serve(1, 20);
  push_out(s, 300);
  s.settle();
  CHECK(s.record(1)->incarnation == first.incarnation);  // which has only read
  s.serve(1, 26);
  push_out(s, 400);
  s.settle();
  CHECK(s.record(1)->incarnation != first.incarnation);
  CHECK((s.record(1)->tokens == token_interval{0, 26}));
}

TEST_CASE("two caches that go on from one record of a store never make one record of two histories")
{
  const auto shelf = std::make_shared<record_shelf>();
  const store_sizes sizes{.slab = 12, .arena = 8};
  store_scene a({}, sizes, 0, shelf);
  a.serve(1, 12);
  push_out(a);
  a.settle();
  store_scene b({}, sizes, 0, shelf);
  b.texts = a.texts;
  b.serve(1, 12);  // both have it
  b.texts[1].rewrite(15);
  b.serve(1, 25);
  a.serve(1, 20);  // by whoever has not heard of that
  push_out(a, 200);
  a.settle();
  REQUIRE((a.record(1)->tokens == token_interval{0, 20}));
  push_out(b, 200);
  b.settle();
  REQUIRE(b.record(1)->tokens.end == 25);
  store_scene c({}, sizes, 0, shelf);
  c.texts = b.texts;
  c.serve(1, 25);  // the scene's model looks at every row
}

TEST_CASE("rows computed in another window than the store has are of another life")
{
  for (const token_count before : {0U, 9U}) {
    CAPTURE(before);
    const auto shelf = std::make_shared<record_shelf>();
    {
      store_scene a({}, {.slab = 8, .arena = 8}, 0, shelf);
      serve_window(a, before, 30);
      a.serve(2, 30);
      a.settle();
      REQUIRE((a.record(1)->tokens == token_interval{before, 30}));
    }
    store_scene b({}, {.slab = 24, .arena = 3}, 0, shelf);
    const record_header first = *b.record(1);
    const token_sources sources = serve_window(b, 9, 34);  // the arena has no room for more of what the store has
    CHECK(sources.from[1] != 0);
    CHECK(sources.computed > 4);
    push_out(b);
    b.settle();
    REQUIRE(b.record(1));
    CHECK(b.record(1)->incarnation != first.incarnation);
  }
}

TEST_CASE("rows that come from a store part by part are known to be of an earlier window, each part")
{
  store_scene s;
  serve_window(s, 0, 30);
  push_out(s);
  s.settle();
  const record_header before = *s.record(1);
  CHECK(serve_window(s, 9, 16).from[1] == 7);
  const token_sources sources = serve_window(s, 9, 34);
  CHECK(sources.from[1] == 14);
  CHECK(sources.computed == 4);
  push_out(s, 200);
  s.settle();
  REQUIRE(s.record(1));
  CHECK(s.record(1)->incarnation == before.incarnation);
  CHECK(s.record(1)->tokens.end == 34);
  CHECK(s.record(1)->earlier_until == 30);
}

TEST_CASE("two caches on one shelf, as two processes: what one puts the other serves")
{
  const auto shelf = std::make_shared<record_shelf>();
  store_scene a({.seed = 1}, {}, 0, shelf);
  store_scene b({.seed = 2}, {}, 0, shelf);
  a.serve(1, 30);
  push_out(a);
  a.settle();
  CHECK(b.serve(1, 40)->from[1] == 30);
  push_out(b, 200);
  b.settle();
  CHECK((a.record(1)->tokens == token_interval{0, 40}));
  CHECK(a.serve(1, 40)->from[1] == 40);

  std::set<std::uint64_t> lives;  // both begin the same users anew: never in the same life
  for (unsigned u = 300; u < 310; ++u) {
    a.serve(u, 8);
    b.serve(u, 8);
  }
  push_out(a, 400);
  a.settle();
  for (unsigned u = 300; u < 310; ++u) lives.insert(to_number(a.record(u)->incarnation));
  push_out(b, 500);
  b.settle();
  for (unsigned u = 300; u < 310; ++u) lives.insert(to_number(b.record(u)->incarnation));
  CHECK(lives.size() == 20);
}

TEST_CASE("rows of a life that another process began are not those of one's own, though they are longer")
{
  const auto shelf = std::make_shared<record_shelf>();
  store_scene a({.seed = 1}, {}, 0, shelf);
  store_scene b({.seed = 2}, {}, 0, shelf);
  a.serve(1, 30);
  b.serve(1, 40);
  push_out(b);
  b.settle();
  REQUIRE(b.record(1));
  CHECK(a.serve(1, 40)->computed == 10);
  CHECK(a.figures().foreign == 1);
  CHECK(a.figures().gets == 0);
}

TEST_CASE("whoever begins anew leaves no record of an older life behind")
{
  const auto shelf = std::make_shared<record_shelf>();
  {
    store_scene a({}, {}, 0, shelf);
    a.serve(1, 30);
    push_out(a);
    a.settle();
  }
  store_scene b({.unknown_in = 1}, {}, 0, shelf);
  REQUIRE(b.record(1));
  b.store.lose_next();  // the answer to whether there is one
  CHECK(b.serve(1, 30)->computed == 30);
  CHECK_FALSE(b.record(1));
}

TEST_CASE("a write policy of the store that writes through has all of it there before anything is evicted")
{
  store_scene<store_cache<token_write_through>> s;
  s.serve(1, 30);
  s.settle();
  REQUIRE(s.record(1));
  CHECK((s.record(1)->tokens == token_interval{0, 30}));
  s.serve(1, 41);
  s.settle();
  CHECK((s.record(1)->tokens == token_interval{0, 41}));
  CHECK(s.figures().put_tokens < 30 + 41);  // what goes on goes on from its page
  push_out(s);
  CHECK(s.cache->stats().levels[1].dropped_tokens == 0);
  CHECK(s.serve(1, 41)->from[1] == 41);
}

TEST_CASE("whatever a store call does, whenever: what is served is right")
{
  const auto story = [](store_scene<>& s) {
    s.serve(3, 40);  // where a call threw in the midst, their history is rewritten already: so all of it is compared
    for (unsigned round = 0; round < 3; ++round) {
      for (unsigned u = 1; u <= 6; ++u) {
        s.serve(u, 20 + 4 * round + u);
        if (round == 1 && u == 3) {
          s.texts[3].rewrite(5);
          s.serve(3, 40);
        }
        if (round == 1 && u == 5) {
          s.cache->erase(user_id{5});
          s.texts[5].rewrite(0);
        }
      }
      s.settle();
    }
  };
  std::uint64_t calls = 0;
  {
    store_scene s({.least_seconds = 1e-5, .most_seconds = 1e-4}, {.slab = 16, .arena = 20});
    story(s);
    calls = s.figures().puts + s.figures().gets;
    CHECK(s.figures().staged_tokens != 0);
  }
  REQUIRE(calls > 10);
  for (std::uint64_t n = 0; n < calls + 2; ++n) {
    CAPTURE(n);
    for (const bool throws : {false, true}) {
      store_scene s({.least_seconds = 1e-5, .most_seconds = 1e-4}, {.slab = 16, .arena = 20});
      if (throws) s.store.throw_next(n);
      else s.store.lose_next(n);
      try {
        story(s);
      } catch (const error&) {  // a get of prepare's: told to who asked; the call is made again
        REQUIRE(throws);
        story(s);
      }
      s.cache->close();
      CHECK(s.store.under_way() == 0);
    }
  }
}

TEST_CASE("sizes that make no sense are refused with a sentence")
{
  store_scene s;
  back_cache::config c{.shape = tiny};
  c.layout.page_tokens = tiny_page;
  std::get<0>(c.tiers).bytes = std::get<1>(c.tiers).bytes = 8 * tiny_page_bytes;
  const auto refusal = [&] {
    try {
      back_cache wrong(s.device, c);
    } catch (const config_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refusal() == "tiers[2].store is null, but it must be the address of a store, which outlives the cache");
  std::get<2>(c.tiers).store = &s.store;
  c.stores.room_bytes = 2 * tiny_page_bytes - 1;
  CHECK(refusal().find("stores.room_bytes is ") == 0);
  c.stores = {.room_bytes = 2 * tiny_page_bytes, .stage_from = 0};
  CHECK(refusal() == "stores.stage_from is 0, but it must be at least 1");
  c.stores.stage_from = 1;
  CHECK(refusal().empty());
}
