// Real servers that die, stop, come back and hand their slots on, while two stores work: requests go on as misses within their
// time, no wrong byte is served, and when it is over hits come back.
#include "support/catch.hpp"
#include "support/plain_device.hpp"
#include "tiers/redis/cluster/real_cluster.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/tiers/redis/format/keys.hpp>
#include <kvstrata/tiers/redis/format/slot.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr std::uint64_t users = 60;
constexpr token_interval history{0, 40};

struct served
{
  unsigned hits = 0, misses = 0, wrong = 0;
};

/// A process over a cluster of its own, which it may hurt.
struct hurt
{
  std::string why{};
  std::unique_ptr<real_cluster> cluster = real_cluster::make(why, "--node-timeout 500");
  plain_device device{};
  std::unique_ptr<redis_cluster<>::on<plain_device>> store{};
  std::unique_ptr<store_bed<redis_cluster<>::on<plain_device>, plain_device>> records{};

  hurt()
  {
    if (!cluster) return;
    redis_cluster_config c = cluster->config();
    c.layers = 2;
    c.request_seconds = 1;
    c.known_seconds = 1000;
    c.away_seconds = 0.01;
    c.most_wait_seconds = 0.05;
    store = std::make_unique<redis_cluster<>::on<plain_device>>(device, c);
    records = std::make_unique<store_bed<redis_cluster<>::on<plain_device>, plain_device>>(device, *store);
  }
  [[nodiscard]] bool put(std::uint64_t id)
  {
    records->write(0, id, id, history);
    const auto promise = records->put(0, id, id, history);
    REQUIRE(promise);
    return records->wait(*promise).done();
  }
  /// Who is asked for, and got.
  [[nodiscard]] served serve()
  {
    served out;
    for (std::uint64_t id = 1; id <= users; ++id) {
      const auto asked = store->ask({.id = id});
      REQUIRE(asked);
      const bool told = records->wait(*asked).done();
      const found_record found = store->find({.id = id});
      bool hit = false;
      if (told && found.is == found_record::knowledge::present) {
        const auto get = records->get(100, id, found.header, found.header.tokens);
        REQUIRE(get);
        hit = records->wait(*get).done();
        if (hit && !records->shows(100, id, id, found.header.tokens)) ++out.wrong;
      }
      ++(hit ? out.hits : out.misses);
    }
    return out;
  }
  /// Users whose puts are done in the end: all of them, given time.
  [[nodiscard]] bool heals()
  {
    for (int i = 0; i < 300; ++i) {
      unsigned well = 0;
      for (std::uint64_t id = 1; id <= users; ++id) well += put(id) ? 1U : 0U;
      if (well == users) {
        const served out = serve();
        if (out.wrong != 0) return false;
        if (out.hits == users) return true;  // else a server was replaced meanwhile, as it may be on a busy machine
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }
};

#define KVSTRATA_HURT(name)        \
  hurt name;                       \
  if (!name.cluster) {             \
    WARN("SKIPPED: " << name.why); \
    return;                        \
  }

}  // namespace

TEST_CASE("a master that is killed: its users miss, its replica takes over, and hits come back")
{
  KVSTRATA_HURT(s);
  for (std::uint64_t id = 1; id <= users; ++id) REQUIRE(s.put(id));
  REQUIRE(s.serve().hits == users);
  s.cluster->signal(0, "KILL");
  served during = s.serve();
  REQUIRE(during.wrong == 0);
  REQUIRE(during.hits != 0);  // the other masters' users go on
  for (int i = 0; i < 300 && during.hits != users; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    during = s.serve();
    REQUIRE(during.wrong == 0);
  }
  REQUIRE(during.hits == users);  // what a replica had is served of it: puts were done when it had them
  REQUIRE(s.heals());
  s.cluster->start(0);  // it comes back without anything, as somebody's replica
  REQUIRE(s.heals());
}

TEST_CASE("a master that is stopped and comes back: what it says is older than known, or the same")
{
  KVSTRATA_HURT(s);
  for (std::uint64_t id = 1; id <= users; ++id) REQUIRE(s.put(id));
  s.cluster->signal(1, "STOP");
  REQUIRE(s.serve().wrong == 0);
  REQUIRE(s.heals());  // over there
  s.cluster->signal(1, "CONT");
  for (int i = 0; i < 10; ++i) {
    REQUIRE(s.serve().wrong == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  REQUIRE(s.heals());
}

TEST_CASE("every server stopped is all misses within their time, and all hits afterwards")
{
  KVSTRATA_HURT(s);
  for (std::uint64_t id = 1; id <= users; ++id) REQUIRE(s.put(id));
  for (std::size_t server = 0; server < 6; ++server) s.cluster->signal(server, "STOP");
  const served during = s.serve();
  REQUIRE(during.hits == 0);
  // Each server costs one request its time, and is left alone then.
  REQUIRE(s.store->figures().counts.timeouts <= 6);
  REQUIRE(s.store->figures().counts.away >= users - 6);
  for (std::size_t server = 0; server < 6; ++server) s.cluster->signal(server, "CONT");
  REQUIRE(s.heals());
}

TEST_CASE("a slot that moves under load: keys are found where they are, on both sides")
{
  KVSTRATA_HURT(s);
  for (std::uint64_t id = 1; id <= users; ++id) REQUIRE(s.put(id));
  const std::string prefix = s.store->config().prefix;
  // User 1's slot, from who has it to another master, key by key.
  const std::string tag = redis::tag_of(prefix, {.id = 1});
  const std::uint32_t slot = redis::slot_of(tag);
  const std::string number = std::to_string(slot);
  std::size_t from = 0;
  while (from < 3 && s.cluster->ask(from, "GET '" + tag + "m'").find("MOVED") != std::string::npos) ++from;
  REQUIRE(from < 3);
  const std::size_t to = (from + 1) % 3;
  const auto id_of = [&](std::size_t server) {
    std::string id = s.cluster->ask(server, "CLUSTER MYID");
    return id.substr(0, 40);
  };
  REQUIRE(s.cluster->ask(from, "CLUSTER KEYSLOT '" + tag + "m'").find(number) == 0);
  static_cast<void>(s.cluster->ask(to, "CLUSTER SETSLOT " + number + " IMPORTING " + id_of(from)));
  static_cast<void>(s.cluster->ask(from, "CLUSTER SETSLOT " + number + " MIGRATING " + id_of(to)));
  REQUIRE(s.serve().hits == users);
  const std::string password(s.cluster->password()->view());
  unsigned moved = 0;
  for (;;) {  // one key at a time, and everybody is served in between
    std::string key = s.cluster->ask(from, "CLUSTER GETKEYSINSLOT " + number + " 1");
    key = key.substr(0, key.find('\n'));
    if (key.empty()) break;
    REQUIRE(s.cluster
                ->ask(from, "MIGRATE 127.0.0.1 " + std::to_string(s.cluster->port(to)) + " '" + key +
                                "' 0 5000 AUTH '" + password + "'")
                .find("OK") == 0);
    ++moved;
    const served now = s.serve();
    REQUIRE(now.wrong == 0);
    REQUIRE(now.hits == users);
    REQUIRE(moved < 100);
  }
  REQUIRE(moved >= 3);  // a manifest, and a value of each layer
  REQUIRE(s.put(1));    // keys that are nowhere begin on the other side
  REQUIRE(s.store->figures().counts.redirections != 0);
  for (std::size_t server = 0; server < 3; ++server) {
    static_cast<void>(s.cluster->ask(server, "CLUSTER SETSLOT " + number + " NODE " + id_of(to)));
  }
  REQUIRE(s.heals());
  // Half moved, and erased: on both sides.
  s.store->erase({.id = 1});
  const auto flush = s.store->flush();
  REQUIRE(flush);
  REQUIRE(s.records->wait(*flush).done());
  REQUIRE(s.serve().hits == users - 1);
}

TEST_CASE("a full server that evicts: misses, no wrong byte, and it goes on")
{
  KVSTRATA_HURT(s);
  for (std::size_t server = 0; server < 6; ++server) {
    static_cast<void>(s.cluster->ask(server, "CONFIG SET maxmemory 4mb"));
  }
  unsigned put = 0;  // of more than all of them have room for
  for (std::uint64_t id = 1; id <= 3000; ++id) put += s.put(id) ? 1U : 0U;
  REQUIRE(put > users);
  const served out = s.serve();
  REQUIRE(out.wrong == 0);
  for (std::size_t server = 0; server < 6; ++server) {
    static_cast<void>(s.cluster->ask(server, "CONFIG SET maxmemory 256mb"));
  }
  REQUIRE(s.heals());
}
