// What a server asks of a cache beside its tokens: how it is, who holds what, and when there is room again.
#include "cache/scene.hpp"

#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <atomic>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;
using namespace std::chrono_literals;

namespace {

using state = cache_health::state;
using sharded_cache = sharded<default_scene_cache>;

/// A scene whose lowest page counts matter: 8 pages of slab, room below for all.
struct small : scene<default_scene_cache>
{
  small() : scene(8, 64) {}
};

[[nodiscard]] std::string exposition(const cache_health& health)
{
  std::ostringstream out;
  prometheus_writer to(out, {});
  write_prometheus(to, health);
  to.finish();
  return out.str();
}

}  // namespace

TEST_CASE("a copy down that is refused leaves its tokens in the slab, and the next commit writes them",
          "[cache][serving]")
{
  small s;
  s.device.refuse_next_copy();
  s.serve(1, 8);
  CHECK(s.cache.stats().refused_writes == 1);
  CHECK(s.cache.stats().dirty_tokens == 8);
  CHECK(s.cache.stats().levels[1].resident_bytes == 0);
  CHECK(s.cache.tracker().read().write_dropped_tokens[1] == 8);
  s.serve(1, 12);  // all of it, by one transfer
  CHECK(s.cache.stats().dirty_tokens == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 12);
  s.device.refuse_next_copy();
  s.serve(2, 16);
  s.device.refuse_next_copy();
  s.serve(3, 32);  // pushes user 2 off, whose tokens are in no level below, and neither can be written
  CHECK(s.cache.stats().levels[0].dropped_tokens == 16);
  CHECK(s.cache.stats().refused_writes == 3);
}

TEST_CASE("a copy up that is refused turns the call away, and holds nothing", "[cache][serving]")
{
  small s;
  s.serve(1, 20);
  s.serve(2, 32);
  REQUIRE(s.look(1, 20).fetched == 20);
  s.device.refuse_next_copy();
  const auto turned_away = s.cache.prepare(s.batch({{1, 24}}), s.compute);
  REQUIRE_FALSE(turned_away);
  CHECK(turned_away.why().why == pressure::reason::copy_refused);
  CHECK(turned_away.why().user == 1);
  CHECK(s.cache.stats().leases == 0);
  CHECK(s.cache.stats().refused_fetches == 1);
  s.device.refuse_next_copy();
  CHECK(s.cache.prefetch(s.asks(1, 20)).why().why == pressure::reason::copy_refused);
  CHECK(s.cache.stats().refused_fetches == 2);
  CHECK(s.cache.wait_sync(turned_away.why(), 0s));
  CHECK(is(s.serve(1, 24), 0, 20, 4));  // nothing of theirs is lost
}

TEST_CASE("health: good, degraded since an earlier answer, failed", "[cache][serving]")
{
  small s;
  s.serve(1, 8);
  const cache_health first = s.cache.health();
  CHECK((first.is == state::good && first.got_over() == 0 && first.sentence.empty()));
  s.device.refuse_next_copy();
  s.serve(2, 8);
  const cache_health second = s.cache.health(first);
  CHECK((second.is == state::degraded && second.refused_writes == 1 && second.refused_fetches == 0));
  CHECK(s.cache.health(second).is == state::good);
  CHECK(exposition(second).find("kvstrata_health{state=\"degraded\"} 1") != std::string::npos);
  CHECK(exposition(second).find("kvstrata_health{state=\"good\"} 0") != std::string::npos);
  CHECK(exposition(second).find("kvstrata_refused_transfers_total{way=\"down\"} 1") != std::string::npos);
  s.device.fail_next_copy();
  const cache_health before = s.cache.health();
  CHECK_THROWS_AS(
      [&] {
        s.serve(3, 8);
        s.cache.drain_sync();
      }(),
      device_error);
  const cache_health last = s.cache.health(before);
  CHECK(last.is == state::failed);
  CHECK(last.refused_writes == 1);
  CHECK(last.sentence.find("the failure was injected; give up its caches, and the device") != std::string::npos);
  CHECK(exposition(last).find("kvstrata_health{state=\"failed\"} 1") != std::string::npos);
}

TEST_CASE("health of shards: the sums, and the worst", "[cache][serving][sharded]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  sharded_cache cache(device, tiny_config<default_scene_cache>(16, 64), 2);
  const auto serve = [&](std::uint64_t user) {
    const request r{.user = user_id{user}, .history_tokens = 8};
    auto lease = cache.prepare({&r, 1}, compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
    lease.finish();
  };
  CHECK(cache.health().is == state::good);
  device.refuse_next_copy(0, 2);
  std::uint64_t other = 1;
  while (cache.shard_of(user_id{other}) == cache.shard_of(user_id{0})) ++other;
  serve(0);
  serve(other);
  const cache_health both = cache.health();
  CHECK((both.is == state::degraded && both.refused_writes == 2));
  CHECK(cache.health(both).is == state::good);
}

TEST_CASE("leases: who holds what, since when, by the caller's label", "[cache][serving]")
{
  small s;
  auto first = s.cache.prepare(s.batch({{1, 9}}), s.compute, {.label = 4711}).value();
  auto second = s.cache.prepare(s.batch({{2, 8}, {3, 4}}), s.compute).value();
  CHECK(first.label() == 4711);
  CHECK(first.number() < second.number());
  std::vector<lease_info> out = s.cache.leases();
  REQUIRE(out.size() == 2);
  CHECK((out[0].number == first.number() && out[0].label == 4711 && out[0].age == 3 && out[0].requests == 1));
  CHECK((out[0].user == user_id{1} && out[0].pages == 3 && !out[0].committed));
  CHECK((out[1].number == second.number() && out[1].label == 0 && out[1].age == 2 && out[1].requests == 2));
  CHECK((out[1].user == user_id{2} && out[1].pages == 3));
  const auto turned_away = s.cache.prepare(s.batch({{4, 12}}), s.compute);
  REQUIRE_FALSE(turned_away);
  CHECK(out[0].pages + out[1].pages == turned_away.why().pages_held);
  s.run_model(first);
  first.commit();
  CHECK(s.cache.leases()[0].committed);
  first.release();
  out = s.cache.leases();
  REQUIRE(out.size() == 1);
  CHECK(out[0].number == second.number());
  second.release();
  CHECK(s.cache.leases().empty());
}

TEST_CASE("waiting: true as soon as it may go well, false when the time is over", "[cache][serving]")
{
  small s;
  auto first = s.cache.prepare(s.batch({{1, 12}}), s.compute).value();
  auto second = s.cache.prepare(s.batch({{2, 8}}), s.compute).value();
  const pressure room = s.cache.prepare(s.batch({{3, 20}}), s.compute).why();  // 5 of 8 pages; 3 are free
  REQUIRE((room.why == pressure::reason::held && room.pages_needed == 5 && room.pages_held == 5));
  const pressure user = s.cache.prepare(s.batch({{1, 4}}), s.compute).why();
  REQUIRE(user.why == pressure::reason::user_held);
  CHECK_FALSE(s.cache.wait_sync(room, 0s));
  CHECK_FALSE(s.cache.wait_sync(user, 0s));
  first.release();
  CHECK(s.cache.wait_sync(user, 0s));
  CHECK(s.cache.wait_sync(room, 0s));  // exactly enough
  auto third = s.cache.prepare(s.batch({{3, 20}}), s.compute).value();
  CHECK_FALSE(s.cache.wait_sync(room, 0s));
  request early = s.asks(4, 4);
  early.epoch = epoch_id{3};
  const pressure soon = s.cache.prepare({&early, 1}, s.compute).why();
  CHECK_FALSE(s.cache.wait_sync(soon, 0s));
  s.cache.advance_epoch(epoch_id{2});
  CHECK_FALSE(s.cache.wait_sync(soon, 0s));
  s.cache.advance_epoch(epoch_id{4});
  CHECK(s.cache.wait_sync(soon, 0s));
  const pressure late = s.cache.prepare({&early, 1}, s.compute).why();
  CHECK(late.why == pressure::reason::stale_epoch);
  CHECK_FALSE(s.cache.wait_sync(late, 24h));  // at once: no waiting makes it right
  const cache_stats counted = s.cache.stats();
  CHECK(counted.pressures(pressure::reason::held) == 1);
  CHECK(counted.pressures(pressure::reason::user_held) == 1);
  CHECK(counted.pressures(pressure::reason::early_epoch) == 1);
  CHECK(counted.pressures(pressure::reason::stale_epoch) == 1);
  CHECK(counted.pressures(pressure::reason::copy_refused) == 0);
  cache_stats both = counted;
  both += counted;
  CHECK(both.pressures(pressure::reason::held) == 2);
}

TEST_CASE("whoever waits is woken by a release, an erasure, a roll-over and a close", "[cache][serving][threads]")
{
  // However the threads run, each wait ends well, and long before its time.
  for (int round = 0; round < 20; ++round) {
    emulated_device device;
    const stream_id compute = device.create_stream("compute");
    auto cache = std::make_unique<sharded_cache>(device, tiny_config<default_scene_cache>(8, 64), 1);
    const auto asks = [](std::uint64_t user, token_count history, std::uint64_t epoch = 0) {
      return std::vector<request>{{.user = user_id{user}, .history_tokens = history, .epoch = epoch_id{epoch}}};
    };
    auto one = cache->prepare(asks(1, 24), compute).value();
    const pressure room = cache->prepare(asks(2, 12), compute).why();
    const pressure user = cache->prepare(asks(1, 4), compute).why();
    const pressure soon = cache->prepare(asks(3, 4, 5), compute).why();
    CHECK((room.shard == 0 && user.shard == 0 && soon.shard == 0));
    std::atomic<int> woken{0};
    std::vector<std::thread> crowd;
    for (const pressure& why : {room, user, soon}) {
      crowd.emplace_back([&, why] { woken += cache->wait_sync(why, 1h) ? 1 : 0; });
    }
    if (round % 2 == 0) std::this_thread::yield();
    cache->erase(user_id{1});  // the user is free, their pages are not
    crowd[1].join();
    one.release();
    crowd[0].join();
    cache->advance_epoch(epoch_id{5});
    crowd[2].join();
    CHECK(woken == 3);
    CHECK_THROWS_AS(cache->wait_sync({.why = pressure::reason::held}, 0s), usage_error);  // of no shard
    pressure never = soon;
    never.request_epoch = 99;
    std::thread last([&] {
      try {
        static_cast<void>(cache->wait_sync(never, 1h));
      } catch (const usage_error&) {
        ++woken;
      }
    });
    cache->close();
    last.join();
    CHECK(woken == 4);
  }
}
