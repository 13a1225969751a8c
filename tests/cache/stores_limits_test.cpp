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
