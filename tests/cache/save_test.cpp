// What a server that ends writes down: all that only memories have, as far as there is time, and it says how much is left.
#include "cache/stores_bed.hpp"

#include <chrono>
#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;
using namespace std::chrono_literals;

namespace {

constexpr token_count history = 6 * tiny_page + 3;

/// Serves users of whom the memories keep all, and saves.
std::uint64_t save(store_scene<>& s, unsigned users)
{
  for (unsigned user = 0; user < users; ++user) static_cast<void>(s.serve(user, history));
  return s.cache->save_sync(1s);
}

}  // namespace

TEST_CASE("what only memories have is there for the next cache, once it was saved")
{
  for (const page_count room : {64U, 8U}) {  // all at once, or one after the other
    CAPTURE(room);
    store_scene<> s({.lanes = 2, .in_flight = 2, .least_seconds = 1e-3, .most_seconds = 2e-3},
                    {.arena = 64, .room = room});
    REQUIRE(save(s, 4) == 0);
    REQUIRE(s.store.shelf().records() == 4);
    s.start();
    for (unsigned user = 0; user < 4; ++user) {
      CAPTURE(user);
      const auto sources = s.serve(user, history);
      REQUIRE(sources);
      CHECK(sources->computed <= 1);  // a whole hit computes one
    }
    REQUIRE(s.cache->save_sync(1s) == 0);
  }
}

TEST_CASE("saving says what is left where a store loses everything, and comes to an end")
{
  store_scene<> s({.lost_in = 1}, {.arena = 64});
  const std::uint64_t left = save(s, 3);
  CHECK(left != 0);
  CHECK(left <= 3 * history);
  CHECK(s.store.shelf().records() <= 3);  // an answer may be lost, and the record kept
}

TEST_CASE("saving twice writes nothing twice, and after close it is misuse")
{
  store_scene<> s({}, {.arena = 64});
  REQUIRE(save(s, 3) == 0);
  const std::uint64_t puts = s.figures().puts;
  REQUIRE(s.cache->save_sync(1s) == 0);
  CHECK(s.figures().puts == puts);
  s.cache->close();
  CHECK_THROWS_AS(s.cache->save_sync(1s), usage_error);
}
