// Real servers that die, stop, come back and hand their slots on, while two stores work: requests go on as misses within their
// time, no wrong byte is served, and when it is over hits come back.
#include "tiers/redis/cluster/hurt.hpp"

#include <kvstrata/tiers/redis/format/keys.hpp>
#include <kvstrata/tiers/redis/format/slot.hpp>

#include <chrono>
#include <string>
#include <thread>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr std::uint64_t users = hurt::users;

/// A user's slot, who serves it, and another master.
struct moving_slot
{
  std::string tag, number;
  std::size_t from = 0, to = 0;

  moving_slot(const hurt& s, std::uint64_t id)
      : tag(redis::tag_of(s.store->config().prefix, {.id = id})), number(std::to_string(redis::slot_of(tag)))
  {
    while (from < 3 && s.cluster->ask(from, "GET '" + tag + "m'").find("MOVED") != std::string::npos) ++from;
    REQUIRE(from < 3);
    to = (from + 1) % 3;
    REQUIRE(s.cluster->ask(from, "CLUSTER KEYSLOT '" + tag + "m'").find(number) == 0);
  }
  [[nodiscard]] static std::string id_of(const hurt& s, std::size_t server)
  {
    return s.cluster->ask(server, "CLUSTER MYID").substr(0, 40);
  }
  void begin(const hurt& s) const
  {
    static_cast<void>(s.cluster->ask(to, "CLUSTER SETSLOT " + number + " IMPORTING " + id_of(s, from)));
    static_cast<void>(s.cluster->ask(from, "CLUSTER SETSLOT " + number + " MIGRATING " + id_of(s, to)));
  }
  /// What the server says to it.
  [[nodiscard]] std::string move(const hurt& s, const std::string& key, int milliseconds) const
  {
    return s.cluster->ask(from, "MIGRATE 127.0.0.1 " + std::to_string(s.cluster->port(to)) + " '" + key + "' 0 " +
                                    std::to_string(milliseconds) + " AUTH '" +
                                    std::string(s.cluster->password()->view()) + "'");
  }
  void end(const hurt& s) const
  {
    for (std::size_t server = 0; server < 3; ++server) {
      static_cast<void>(s.cluster->ask(server, "CLUSTER SETSLOT " + number + " NODE " + id_of(s, to)));
    }
  }
};

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
  const moving_slot slot(s, 1);  // from who has it to another master, key by key
  slot.begin(s);
  REQUIRE(s.serve().hits == users);
  unsigned moved = 0;
  for (;;) {  // one key at a time, and everybody is served in between
    std::string key = s.cluster->ask(slot.from, "CLUSTER GETKEYSINSLOT " + slot.number + " 1");
    key = key.substr(0, key.find('\n'));
    if (key.empty()) break;
    REQUIRE(slot.move(s, key, 5000).find("OK") == 0);
    ++moved;
    const served now = s.serve();
    REQUIRE(now.wrong == 0);
    REQUIRE(now.hits == users);
    REQUIRE(moved < 100);
  }
  REQUIRE(moved >= 3);  // a manifest, and a value of each layer
  REQUIRE(s.put(1));    // keys that are nowhere begin on the other side
  REQUIRE(s.store->figures().counts.redirections != 0);
  slot.end(s);
  REQUIRE(s.heals());
  // Half moved, and erased: on both sides.
  s.store->erase({.id = 1});
  const auto flush = s.store->flush();
  REQUIRE(flush);
  REQUIRE(s.records->wait(*flush).done());
  REQUIRE(s.serve().hits == users - 1);
}

TEST_CASE("a migration that times out leaves a manifest on both sides: the older one is a miss to who knows better")
{
  KVSTRATA_HURT(s);
  for (std::uint64_t id = 1; id <= users; ++id) REQUIRE(s.put(id));
  const moving_slot slot(s, 1);
  slot.begin(s);
  s.cluster->signal(slot.to, "STOP");
  const std::string said = slot.move(s, slot.tag + "m", 100);
  s.cluster->signal(slot.to, "CONT");
  CAPTURE(said);
  REQUIRE(said.find("IOERR") != std::string::npos);
  // It was only late: there, too, is the manifest, though not the values.
  const auto over_there = [&] { return s.cluster->ask(slot.to, "CLUSTER COUNTKEYSINSLOT " + slot.number); };
  for (int i = 0; i < 100 && over_there().find('0') == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(over_there().find('1') == 0);
  served now = s.serve();
  REQUIRE(now.wrong == 0);
  REQUIRE(now.hits == users);  // of the side that has the slot
  REQUIRE(s.put(1));           // a newer manifest, there
  slot.end(s);                 // and the older one is what counts
  const redis::cluster_counts before = s.store->figures().counts;
  unsigned misses = 0;
  for (int i = 0; i < 300 && misses == 0; ++i) {  // until this process has heard of it
    now = s.serve();
    REQUIRE(now.wrong == 0);
    misses = now.misses;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(misses == 1);
  REQUIRE(s.store->figures().counts.older > before.older);
  {  // who never heard of the newer one believes the older, and finds none of its values
    redis_cluster_config c = s.store->config();
    hurt::store_type other(s.device, c);
    store_bed<hurt::store_type, plain_device> records(s.device, other);
    const auto found = records.find(1);
    REQUIRE(found);
    const auto get = records.get(100, 1, *found, found->tokens);
    REQUIRE(get);
    REQUIRE(records.wait(*get).why == loss::gone);
  }
  REQUIRE(s.heals());
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
