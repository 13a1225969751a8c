// Slots, redirections and the servers of a cluster: what is read of them, without one.
#include "support/catch.hpp"

#include <kvstrata/tiers/redis/format/keys.hpp>
#include <kvstrata/tiers/redis/format/slot.hpp>
#include <kvstrata/tiers/redis/topology/back_off.hpp>
#include <kvstrata/tiers/redis/topology/redirect.hpp>
#include <kvstrata/tiers/redis/topology/secret.hpp>
#include <kvstrata/tiers/redis/topology/slot_map.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <ios>
#include <random>
#include <sstream>
#include <string>

using namespace kvstrata;
using namespace kvstrata::redis;

TEST_CASE("slots are those of the specification")
{
  REQUIRE(crc16("123456789") == 0x31C3);  // its own example
  REQUIRE(slot_of("") == 0);
  // As CLUSTER KEYSLOT of redis-server 7.0.15 says.
  REQUIRE(slot_of("foo") == 12182);
  REQUIRE(slot_of("{user1000}.following") == slot_of("{user1000}.followers"));
  REQUIRE(slot_of("{user1000}.following") == 3443);
  REQUIRE(hash_tag("foo{}{bar}") == "foo{}{bar}");
  REQUIRE(hash_tag("foo{{bar}}zap") == "{bar");
  REQUIRE(hash_tag("foo{bar}{zap}") == "bar");
  REQUIRE(hash_tag("foo{bar") == "foo{bar");
  REQUIRE(slot_of("foo{bar}{zap}") == slot_of("bar"));
}

TEST_CASE("all names of a sequence are in one slot, and no two are the same")
{
  const sequence_key key{.space = 3, .id = 0x1f};
  REQUIRE(manifest_key("kv", key) == "kv{3.1f}m");
  const put_name put{epoch_id{7}, 0xabc, 0x10};
  REQUIRE(value_key("kv", key, put, 2, 1) == "kv{3.1f}e7.abc.10.2.1");
  REQUIRE(slot_of(manifest_key("kv", key)) == slot_of(value_key("kv", key, put, 2, 1)));
  REQUIRE(value_key("kv", key, {epoch_id{8}, 0xabc, 0x10}, 2, 1) != value_key("kv", key, put, 2, 1));
  REQUIRE(manifest_key("kv", {.id = 5}) != manifest_key("kv", {.space = 5}));
}

TEST_CASE("redirections in all their spellings")
{
  const address asked{"10.0.0.1", 7000};
  const auto at = [&](std::string_view text) { return read_refusal(text, asked); };

  REQUIRE(at("MOVED 3999 127.0.0.1:6381").why == refusal::moved);
  REQUIRE(at("MOVED 3999 127.0.0.1:6381").slot == 3999);
  REQUIRE(*at("MOVED 3999 127.0.0.1:6381").where == address{"127.0.0.1", 6381});
  REQUIRE(at("ASK 3999 127.0.0.1:6381").why == refusal::ask);
  REQUIRE(*at("MOVED 5 :7002").where == address{"10.0.0.1", 7002});  // the host that was asked
  REQUIRE_FALSE(at("MOVED 5 ?:7002").where);
  REQUIRE(*at("ASK 5 ::1:7002").where == address{"::1", 7002});  // from the last colon
  REQUIRE(*at("ASK 5 [2001:db8::1]:7002").where == address{"2001:db8::1", 7002});
  REQUIRE(*at("MOVED 5 node-3.example:7002").where == address{"node-3.example", 7002});
  REQUIRE(*at("MOVED 5 h:7002 and more").where == address{"h", 7002});
  for (const char* const bad :
       {"MOVED", "MOVED 5", "MOVED 5 ", "MOVED 5 h", "MOVED 5 h:", "MOVED 5 h:0", "MOVED 5 h:70000", "MOVED 5 h:7x"}) {
    REQUIRE(at(bad).why == refusal::moved);
    REQUIRE_FALSE(at(bad).where);
  }
  REQUIRE(at("MOVED x h:7002").why == refusal::other);

  REQUIRE(at("TRYAGAIN Multiple keys request during rehashing of slot").why == refusal::try_again);
  REQUIRE(at("CLUSTERDOWN Hash slot not served").why == refusal::down);
  REQUIRE(at("MASTERDOWN Link with MASTER is down").why == refusal::down);
  REQUIRE(at("LOADING Redis is loading the dataset in memory").why == refusal::loading);
  REQUIRE(at("READONLY You can't write against a read only replica.").why == refusal::readonly);
  REQUIRE(at("OOM command not allowed when used memory > 'maxmemory'.").why == refusal::full);
  REQUIRE(at("NOAUTH Authentication required.").why == refusal::denied);
  REQUIRE(at("WRONGPASS invalid username-password pair").why == refusal::denied);
  REQUIRE(at("ERR unknown command").why == refusal::other);
  REQUIRE(at("").why == refusal::other);
  REQUIRE(at("MOVEDX 5 h:1").why == refusal::other);
}

TEST_CASE("no text makes a redirection go anywhere but to a port")
{
  std::mt19937 random(7);
  const std::string alphabet = "MOVEDASK 0123456789:?.[]x";
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 2 == 0 ? "MOVED " : "ASK ";
    for (std::size_t n = random() % 24; n != 0; --n) text.push_back(alphabet[random() % alphabet.size()]);
    const refusal_reply out = read_refusal(text, {"h", 1});
    if (out.where) REQUIRE((out.where->port != 0 && !out.where->host.empty() && out.where->host != "?"));
  }
}

namespace {

reply number(std::int64_t n) { return {reply::kind::integer, n, {}, {}}; }
reply text(std::string t) { return {reply::kind::text, 0, std::move(t), {}}; }
reply list(std::vector<reply> parts) { return {reply::kind::list, 0, {}, std::move(parts)}; }
reply server(std::string host, int port) { return list({text(std::move(host)), number(port), text("id")}); }

}  // namespace

TEST_CASE("CLUSTER SLOTS is read, however badly it is written")
{
  const address asked{"10.0.0.9", 7000};
  const auto slots =
      read_slots(list({list({number(0), number(5000), server("10.0.0.1", 7001), server("10.0.0.2", 7002)}),
                       list({number(5001), number(9000), list({{}, number(7003)})}),    // a host of nil
                       list({number(9001), number(9001), server("", 7004)}),            // none
                       list({number(9002), number(9003), server("?", 7005)}),           // unknown
                       list({number(9004), number(10000), server("10.0.0.1", 7001)}),   // a master's second range
                       list({number(20000), number(20001), server("10.0.0.1", 7001)}),  // no slots
                       list({number(12), number(3), server("10.0.0.1", 7001)}),         // nor these
                       list({number(10001), number(10002), server("10.0.0.1", 0)}),     // no port
                       list({number(1)}),
                       number(3),
                       {}}),
                 asked);
  REQUIRE(slots);
  REQUIRE(slots->served() == 10001);
  REQUIRE(slots->masters().size() == 4);
  const auto owner = [&](std::uint32_t slot) { return slots->masters()[slots->owner(slot)]; };
  REQUIRE(owner(0) == address{"10.0.0.1", 7001});
  REQUIRE(slots->replicas(slots->owner(0)) == 1);
  REQUIRE(owner(6000) == address{"10.0.0.9", 7003});
  REQUIRE(owner(9001) == address{"10.0.0.9", 7004});
  REQUIRE(owner(9003) == address{"10.0.0.9", 7005});
  REQUIRE(owner(9999) == address{"10.0.0.1", 7001});
  REQUIRE(slots->owner(10001) == slot_map::nobody);
  REQUIRE_FALSE(read_slots(text("no"), asked));
  REQUIRE(read_slots(list({}), asked)->served() == 0);
}

TEST_CASE("addresses as people write them")
{
  REQUIRE(parse_address("x", "localhost:7001") == address{"localhost", 7001});
  REQUIRE(to_string(parse_address("x", "[::1]:7001")) == "[::1]:7001");
  for (const char* const bad : {"", "host", ":7001", "host:", "host:0", "host:65536", "host:-1"}) {
    REQUIRE_THROWS_WITH(parse_address("redis_cluster.addresses", bad),
                        Catch::Contains("redis_cluster.addresses") && Catch::Contains("127.0.0.1:7001"));
  }
  REQUIRE(is_loopback({"127.3.2.1", 1}));
  REQUIRE(is_loopback({"::1", 1}));
  REQUIRE_FALSE(is_loopback({"10.0.0.1", 1}));
}

TEST_CASE("a server that fails is left alone twice as long each time, up to a bound")
{
  back_off wait(3);
  const back_off_times times{std::chrono::milliseconds(10), std::chrono::milliseconds(100)};
  time_point now{std::chrono::seconds(5)};
  REQUIRE(wait.may_ask(now));
  for (const int most : {10, 20, 40, 80, 100, 100}) {
    wait.failed(now, times);
    REQUIRE_FALSE(wait.may_ask(now));
    REQUIRE(wait.until() - now >= std::chrono::milliseconds(most) / 2);
    REQUIRE(wait.until() - now <= std::chrono::milliseconds(most));
    const time_point until = wait.until();
    wait.failed(now, times);  // the same failure, met by another
    REQUIRE(wait.until() == until);
    now = until;
  }
  wait.answered();
  REQUIRE(wait.may_ask(now));
  wait.failed(now, times);
  REQUIRE(wait.until() - now <= std::chrono::milliseconds(10));
}

TEST_CASE("a password is read where only its owner can, and no sentence has it")
{
  char folder[] = "/tmp/kvstrata_secret.XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/password";
  std::ofstream(path) << "swordfish\nignored\n";
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  REQUIRE_THROWS_WITH(secret::of_file(path), Catch::Contains("chmod 600") && !Catch::Contains("swordfish"));
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  REQUIRE(secret::of_file(path)->view() == "swordfish");
  std::ofstream(path, std::ios::trunc) << "";
  REQUIRE_THROWS_WITH(secret::of_file(path), Catch::Contains("nothing in it"));
  REQUIRE_THROWS_WITH(secret::of_file(path + "x"), Catch::Contains("cannot be opened"));
  REQUIRE_THROWS_WITH(secret::of(std::string(5000, 's')), Catch::Contains("5000 bytes") && !Catch::Contains("sss"));
  REQUIRE(secret::of_variable("KVSTRATA_NO_SUCH_VARIABLE") == nullptr);
  std::remove(path.c_str());
  ::rmdir(folder);
}

TEST_CASE("a password's page is kept out of dumps")
{
  const auto password = secret::of("swordfish");
  std::ostringstream where;
  where << std::hex << reinterpret_cast<std::uintptr_t>(password->view().data()) << '-';
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool mine = false, told = false;
  while (std::getline(maps, line)) {
    if (line.find("-") < line.find(' ') && line.find(':') > line.find(' ')) mine = line.rfind(where.str(), 0) == 0;
    if (!mine || line.rfind("VmFlags:", 0) != 0) continue;
    told = true;
    REQUIRE(line.find(" dd") != std::string::npos);  // "do not dump"
  }
  REQUIRE(told);
}
