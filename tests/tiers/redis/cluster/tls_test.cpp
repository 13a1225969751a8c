// A redis_cluster over TLS, where hiredis can do it and there is a server that does.
#include "tiers/redis/cluster/hurt.hpp"

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

using namespace kvstrata;
using namespace kvstrata_test;
using Catch::Contains;
using store_type = redis_cluster<>::on<plain_device>;

#if KVSTRATA_REDIS_HAS_TLS
TEST_CASE("a cluster over TLS keeps what it is given, and is believed only with its certificate")
{
  std::string why;
  const auto cluster = real_cluster::make(why, "--replicas 0 --tls");
  if (!cluster) {
    WARN("SKIPPED: " << why);
    return;
  }
  plain_device device;
  redis_cluster_config c = cluster->config();
  c.layers = 2;
  c.value_bytes = (64U << 10U) - 64;
  c.tls = {.on = true, .ca_file = cluster->trusted()};
  {
    store_type store(device, c);
    store_bed<store_type, plain_device> records(device, store);
    for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(records.keep(0, id, id, {0, 40}));
    // Many records of TLS in one value, and many values in one pipeline.
    std::vector<std::byte> large(8U << 20U), back(large.size());
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = record_byte(1, 1, static_cast<token_count>(i / 64), i);
    const record_header header = record_of(5, {0, 64 * record_page});
    const io_piece from{large.data(), large.size()}, into{back.data(), back.size()};
    const auto put = store.put({.id = 100}, header, {&from, 1}, {});
    REQUIRE(put);
    REQUIRE(records.wait(*put).done());
    const auto get = store.get({.id = 100}, header, header.tokens, {&into, 1}, {});
    REQUIRE(get);
    REQUIRE(records.wait(*get).done());
    REQUIRE(std::memcmp(large.data(), back.data(), large.size()) == 0);
  }
  {
    store_type store(device, c);  // which never saw them
    store_bed<store_type, plain_device> records(device, store);
    for (std::uint64_t id = 1; id <= 30; ++id) {
      const auto found = records.find(id);
      REQUIRE(found);
      const auto get = records.get(100, id, *found, found->tokens);
      REQUIRE(get);
      REQUIRE(records.wait(*get).done());
      REQUIRE(records.shows(100, id, id, {0, 40}));
    }
  }
  SECTION("a server that is stopped and late is waited for as long as a request may take, and not longer")
  {
    c.connect_seconds = 0.2;
    c.request_seconds = 60;
    store_type patient(device, c);
    c.request_seconds = 0.3;
    store_type hasty(device, c);
    store_bed<store_type, plain_device> records(device, patient), others(device, hasty);
    REQUIRE(others.find(1));  // both have connections that are open
    REQUIRE(records.find(1));
    for (std::size_t server = 0; server < 3; ++server) cluster->signal(server, "STOP");
    const auto get = records.get(100, 1, *records.find(1), {0, 40});
    const auto early = others.get(200, 1, *others.find(1), {0, 40});
    REQUIRE((get && early));
    REQUIRE(others.wait(*early).why == loss::timeout);  // longer than a connection may take to come about
    for (std::size_t server = 0; server < 3; ++server) cluster->signal(server, "CONT");
    REQUIRE(records.wait(*get).done());
    REQUIRE(records.shows(100, 1, 1, {0, 40}));
  }
  SECTION("another's certificate is refused, and so is none")
  {
    const std::string other = cluster->folder() + "/other.crt";
    REQUIRE(
        run_command("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=other "
                    "-keyout /dev/null -out " +
                    other)
            .well);
    c.tls.ca_file = other;
    REQUIRE_THROWS_WITH(store_type(device, c), Contains("no TLS") && Contains(c.addresses.back()));
    c.tls.ca_file = cluster->folder() + "/password";
    REQUIRE_THROWS_WITH(store_type(device, c), Contains("redis_cluster.tls") && Contains("cannot be used"));
    c.tls = {};
    REQUIRE_THROWS_WITH(store_type(device, c), Contains(c.addresses.back()));
  }
}
#else
TEST_CASE("TLS that this program cannot do is refused in a sentence")
{
  WARN("SKIPPED: a cluster over TLS: hiredis is older than 1.0, or has no hiredis_ssl");
  plain_device device;
  REQUIRE_THROWS_WITH(store_type(device, {.addresses = {"127.0.0.1:1"}, .tls = {.on = true}}),
                      Contains("redis_cluster.tls") && Contains("hiredis_ssl"));
}
#endif
