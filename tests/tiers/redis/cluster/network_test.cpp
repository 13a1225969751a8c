// A network that drops, between servers that are well and everybody else: requests go on as misses within their time, no wrong
// byte is served, and when it is over hits come back.
#include "tiers/redis/cluster/hurt.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

using namespace kvstrata;
using namespace kvstrata_test;
using weather = bad_network::weather;

TEST_CASE("a network that stalls, is cut, or is slow, to all servers and to one")
{
  KVSTRATA_HURT(s, true);
  for (std::uint64_t id = 1; id <= hurt::users; ++id) REQUIRE(s.put(id));
  REQUIRE(s.serve().hits == hurt::users);

  // Nothing gets through: each server costs one request its time, and is left alone then.
  redis::cluster_counts before = s.store->figures().counts;
  s.weather(weather::stalls);
  REQUIRE(s.serve().hits == 0);
  redis::cluster_counts now = s.store->figures().counts;
  REQUIRE(now.timeouts > before.timeouts);
  REQUIRE(now.timeouts <= before.timeouts + 6);
  REQUIRE(now.away >= before.away + hurt::users - 6);
  s.weather(weather::passes);
  REQUIRE(s.heals());

  // Connections are reset, and no new ones come about.
  before = s.store->figures().counts;
  s.weather(weather::cuts);
  REQUIRE(s.serve().hits == 0);
  now = s.store->figures().counts;
  REQUIRE(now.broken > before.broken);
  REQUIRE(now.timeouts == before.timeouts);
  s.weather(weather::passes);
  REQUIRE(s.heals());

  // Late is not lost.
  s.weather(weather::passes, std::chrono::milliseconds(3));
  REQUIRE(s.serve().hits == hurt::users);
  s.weather(weather::passes);

  // One that cannot be reached costs nobody the others.
  for (const auto& [server, what] :
       {std::pair{std::size_t{0}, weather::stalls}, std::pair{std::size_t{1}, weather::cuts}}) {
    CAPTURE(what, server);
    s.networks[server]->be(what);
    const served during = s.serve();
    REQUIRE(during.wrong == 0);
    REQUIRE(during.hits != 0);
    REQUIRE(during.misses != 0);
    s.networks[server]->be(weather::passes);
    REQUIRE(s.heals());
  }
}

TEST_CASE("a network that is cut behind any byte of an answer: all of a record, or none")
{
  KVSTRATA_HURT(s, true);
  for (std::uint64_t id = 1; id <= hurt::users; ++id) REQUIRE(s.put(id));
  const record_header header = *s.records->find(1);
  unsigned hits = 0, misses = 0;
  for (std::uint64_t bytes = 1; bytes < 1600; bytes += 1 + bytes / 5) {
    CAPTURE(bytes);
    bool back = false;  // in good weather it is a hit
    for (int i = 0; i < 300 && !back; ++i) {
      const auto get = s.records->get(100, 1, header, header.tokens);
      REQUIRE(get);
      back = s.records->wait(*get).done();
      if (!back) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    REQUIRE(back);
    for (const auto& one : s.networks) one->cut_behind(bytes);
    const auto get = s.records->get(200, 1, header, header.tokens);
    REQUIRE(get);
    const bool hit = s.records->wait(*get).done();
    if (hit) REQUIRE(s.records->shows(200, 1, 1, header.tokens));
    ++(hit ? hits : misses);
    s.weather(weather::passes);
  }
  REQUIRE(hits != 0);
  REQUIRE(misses != 0);
  REQUIRE(s.heals());
}
