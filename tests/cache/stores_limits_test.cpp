// What a cache does with a store that never answers well, with room that must come back, and with rows whose windows differ:
// one story each, with exact counts.
#include "cache/stores_bed.hpp"

#include <cstdint>
#include <memory>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Serves a user of whom stretches of four tokens are told alone.
token_sources serve_stretches(store_scene<>& s, unsigned user, token_count history)
{
  std::vector<std::uint64_t> hashes;
  for (token_count t = 0; t + 4 <= history; t += 4) {
    hashes.push_back(
        mix({s.texts[user].word(t), s.texts[user].word(t + 1), s.texts[user].word(t + 2), s.texts[user].word(t + 3)}));
  }
  request r{.user = user_id{user}, .history_tokens = history, .epoch = s.epoch, .stretches = {4, hashes}};
  r.if_rewritten = rewritten_history::start_anew;
  return s.serve_anyhow(r);
}

}  // namespace

TEST_CASE("users of whom stretches alone are told are compared after a restart")
{
  for (const token_count from : {40U, 30U}) {  // behind the newest stretch, and in it
    CAPTURE(from);
    store_scene<> s;
    serve_stretches(s, 1, 32);
    for (unsigned u = 100; u < 107; ++u) s.serve(u, 32);
    s.settle();
    REQUIRE(s.record(1)->stretch_stride == 4);
    REQUIRE(s.record(1)->stretch_end == 8);
    s.start();
    s.texts[1].rewrite(from);
    const auto sources = serve_stretches(s, 1, 44);
    CHECK(sources.from[1] == (from == 40 ? 32 : 0));
    CHECK(s.figures().contradicted == (from == 40 ? 0 : 1));
  }
  store_scene<> s;  // and where what came from there is in a memory meanwhile
  serve_stretches(s, 1, 32);
  for (unsigned u = 100; u < 107; ++u) s.serve(u, 32);
  s.settle();
  s.start();
  const request ahead{.user = user_id{1}, .history_tokens = 32, .epoch = s.epoch};  // which tells nothing
  REQUIRE_FALSE(s.cache->prefetch(ahead).has_value());
  s.settle();
  REQUIRE(s.figures().staged_tokens == 32);
  s.texts[1].rewrite(30);
  CHECK(serve_stretches(s, 1, 32).computed == 32);
}

namespace {

/// A store whose calls throw, as its medium has gone; each is the next to do so.
struct touchy_store
{
  using tier_kind = store_kind;
  using writes = write_back;
  static inline std::uint64_t left = 0;  // calls until one throws; 0: none does
  static inline bool for_good = false;
  static void touch()
  {
    if (left == 0 || --left != 0) return;
    left = for_good ? 1 : 0;
    throw error("the medium has gone");
  }
  template <class Device>
  struct on : memory_store<>::on<Device>
  {
    using base = memory_store<>::on<Device>;
    using base::base;
    found_record find(const sequence_key& key) { return touch(), base::find(key); }
    auto ask(const sequence_key& key) { return touch(), base::ask(key); }
    auto put(const sequence_key& key, const record_header& header, std::span<const io_piece> from, const fence& ready)
    {
      return touch(), base::put(key, header, from, ready);
    }
    auto get(const sequence_key& key, const record_header& header, token_interval wanted,
             std::span<const io_piece> into, const fence& ready)
    {
      return touch(), base::get(key, header, wanted, into, ready);
    }
  };
};
using touchy_cache = cache<tier_stack<device_slab<moody_device>, pinned_arena<token_write_through>, touchy_store>,
                           paged_layout, layerwise_transfer<>, lru, losses>;

/// Six users who come again when what they had is in the store, and some of whom are erased.
template <class Scene>
void come_and_go(Scene& s)
{
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned user = 1; user <= 6; ++user) s.serve(user, 24 + 4 * round);
    s.settle();
  }
  for (unsigned user = 1; user <= 3; ++user) s.cache->erase(user_id{user});
  for (unsigned user = 1; user <= 6; ++user) s.serve(user, 32);
}

}  // namespace

TEST_CASE("a store that throws is a store that has nothing: everybody is served, and rightly")
{
  std::uint64_t errors = 0;
  for (const bool for_good : {false, true}) {
    for (std::uint64_t calls = 1;; ++calls) {
      CAPTURE(for_good, calls);
      REQUIRE(calls < 2000);
      store_scene<touchy_cache> s({.unknown_in = 4});
      touchy_store::left = calls;
      touchy_store::for_good = for_good;
      come_and_go(s);
      const bool struck = for_good ? touchy_store::left == 1 : touchy_store::left == 0;
      touchy_store::left = 0;
      for (unsigned user = 1; user <= 6; ++user) s.serve(user, 32);
      s.settle();
      errors += s.figures().errors;
      CHECK(s.cache->stats().leases == 0);
      if (!struck || (for_good && calls > 40)) break;
    }
  }
  CHECK(errors != 0);
}

TEST_CASE("any copy between memory and a store's room is refused, and everybody is served")
{
  std::uint64_t errors = 0;
  std::uint64_t puts = 0;
  bool struck = true;
  for (std::uint64_t copies = 0; struck; copies += 3) {
    CAPTURE(copies);
    REQUIRE(copies < 4000);
    store_scene<> s({}, {}, copies);
    s.device.refuse_next_copy(copies);
    come_and_go(s);
    s.settle();
    const cache_stats now = s.cache->stats();
    const std::uint64_t down = now.stores[store_level].refused_tokens;
    errors += now.stores[store_level].errors;
    puts += down;
    struck = now.refused_writes + now.refused_fetches + now.stores[store_level].errors + down != 0;
    for (unsigned user = 1; user <= 6; ++user) s.serve(user, 32);
    CHECK(s.cache->stats().leases == 0);
  }
  CHECK(errors != 0);
  CHECK(puts != 0);
}

TEST_CASE("a store whose every answer is lost is asked once a request, and holds up nobody")
{
  store_scene<> s({.lost_in = 1, .unknown_in = 1});
  for (unsigned u = 1; u <= 3; ++u) {
    CHECK(s.serve(u, 30)->computed == 30);
    CHECK(s.figures().asked == u);
  }
  CHECK(s.arrivals == 3);
}

TEST_CASE("what finds no room in the last memory is not got again and again")
{
  const auto shelf = std::make_shared<record_shelf>();
  {
    store_scene<> a({}, {.slab = 8, .arena = 8}, 0, shelf);
    a.serve(1, 30);
    a.serve(2, 30);
    a.settle();
    REQUIRE(a.record(1)->tokens == token_interval{0, 30});
  }
  store_scene<> b({}, {.slab = 24, .arena = 3}, 0, shelf);
  const auto sources = b.serve(1, 30);
  CHECK(sources->from[1] == 12);
  CHECK(sources->computed == 18);
  CHECK(b.figures().gets == 1);
  CHECK(b.figures().staged_tokens == 12);
}

TEST_CASE("room on the way down and up comes back with every answer, well or not")
{
  for (const std::uint32_t lost_in : {0U, 4U}) {
    CAPTURE(lost_in);
    store_scene<> s({.lost_in = lost_in}, {.slab = 7, .arena = 7, .room = 16});  // eight pages a way, seven a user
    for (unsigned u = 1; u <= 20; ++u) {
      s.serve(u, 28);
      s.settle();
    }
    CHECK(s.figures().refused_tokens == 0);
    CHECK(s.figures().puts == 19);
    const std::uint64_t lost = s.figures().lost_puts;
    CHECK((lost != 0) == (lost_in != 0));
    for (unsigned u = 1; u <= 19; ++u) {
      s.serve(u, 28);
      s.settle();
    }
    CHECK(s.figures().gets >= 19 - lost);  // one whose answer did not come in time may be there all the same
    CHECK(s.figures().gets <= 19);
    CHECK(s.figures().staged_tokens == 28 * (s.figures().gets - s.figures().lost_gets));
    CHECK(s.figures().refused_tokens == 0);
    CHECK(s.cache->tracker().lost_down == 28 * s.figures().lost_puts);
    CHECK(s.cache->tracker().lost_up == 28 * s.figures().lost_gets);
  }
}

TEST_CASE("a cache that goes while a store is silent has the device know that nothing touches its memory any more")
{
  store_scene<> s({.lanes = 1, .in_flight = 4, .silent_lanes = 1});
  for (unsigned u = 1; u <= 10; ++u) s.serve(u, 32);
  REQUIRE(s.figures().puts != 0);
  s.cache.reset();
  CHECK(s.device.violations().empty());
}
