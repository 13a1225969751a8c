// A process over a cluster that it may hurt: what it is served meanwhile, and whether it heals. The cluster is as new before
// each test, but started once.
#pragma once

#include "support/catch.hpp"
#include "support/plain_device.hpp"
#include "tiers/redis/cluster/bad_network.hpp"
#include "tiers/redis/cluster/real_cluster.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/tiers/redis_cluster.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace kvstrata_test {

struct served
{
  unsigned hits = 0, misses = 0, wrong = 0;
};

/// `far`: the servers are reached over networks that may be bad, by others, too.
struct hurt_cluster
{
  std::string why{};
  std::unique_ptr<real_cluster> servers;                 ///< null: there can be none
  std::vector<std::unique_ptr<bad_network>> networks{};  ///< in front of each server, where there are any
  bool far;

  explicit hurt_cluster(bool f) : servers(real_cluster::make(why, "--node-timeout 500")), far(f)
  {
    if (!servers || !far) return;
    for (std::size_t server = 0; server < 6; ++server) {
      networks.push_back(std::make_unique<bad_network>(static_cast<std::uint16_t>(servers->port(server))));
    }
    if (servers->move_to([this](std::size_t server) { return networks[server]->port(); })) return;
    why = "the servers do not come to be known by other ports (cluster-announce-port)";
    servers = nullptr;
  }

  /// The one that the test before had, made whole; another, where that is another, or cannot be.
  [[nodiscard]] static hurt_cluster& whole(bool far)
  {
    static std::unique_ptr<hurt_cluster> one;
    const bool same = one && one->far == far && (!one->servers || one->mends());
    if (!same) {
      one = nullptr;  // its end comes first
      one = std::make_unique<hurt_cluster>(far);
    }
    return *one;
  }

 private:
  /// Its first servers are the masters, all others linked to them, and nobody has anything. False: it does not come to be so.
  [[nodiscard]] bool mends() const
  {
    for (const auto& one : networks) one->be(bad_network::weather::passes);
    for (std::size_t server = 0; server < 6; ++server) servers->signal(server, "CONT");
    for (int i = 0; i < 100; ++i) {
      bool masters = true;
      for (std::size_t server = 0; server < 3; ++server) {
        if (servers->ask(server, "ROLE").find("master") == 0) continue;
        masters = false;
        static_cast<void>(servers->ask(server, "CLUSTER FAILOVER"));
      }
      if (masters && is_ready()) {
        bool empty = true;
        for (std::size_t server = 0; server < 3; ++server)
          empty = servers->ask(server, "FLUSHALL").find("OK") == 0 && empty;
        return empty;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }
  [[nodiscard]] bool is_ready() const
  {
    return run_command("bash '" + tools::source_dir().string() + "/dev' --no-install cluster status --dir " +
                       servers->folder())
        .well;
  }
};

struct hurt
{
  using store_type = kvstrata::redis_cluster<>::on<plain_device>;
  static constexpr std::uint64_t users = 60;
  static constexpr kvstrata::token_interval history{0, 40};

  hurt_cluster& on;
  real_cluster* cluster = on.servers.get();  ///< null: there can be none
  std::vector<std::unique_ptr<bad_network>>& networks = on.networks;
  plain_device device{};
  std::unique_ptr<store_type> store{};
  std::unique_ptr<store_bed<store_type, plain_device>> records{};

  explicit hurt(bool far = false) : on(hurt_cluster::whole(far))
  {
    if (cluster == nullptr) return;
    kvstrata::redis_cluster_config c = cluster->config();
    if (far) {
      c.addresses.clear();
      for (const auto& one : networks) c.addresses.push_back("127.0.0.1:" + std::to_string(one->port()));
    }
    c.layers = 2;
    c.request_seconds = 1;
    c.known_seconds = 1000;
    c.away_seconds = 0.01;
    c.most_wait_seconds = 0.05;
    store = std::make_unique<store_type>(device, c);
    records = std::make_unique<store_bed<store_type, plain_device>>(device, *store);
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
      const kvstrata::found_record found = store->find({.id = id});
      bool hit = false;
      if (told && found.is == kvstrata::found_record::knowledge::present) {
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
  /// Of all networks.
  void weather(bad_network::weather what, std::chrono::milliseconds late = {})
  {
    for (const auto& one : networks) one->be(what, late);
  }
};

#define KVSTRATA_HURT(name, ...)         \
  kvstrata_test::hurt name{__VA_ARGS__}; \
  if (name.cluster == nullptr) {         \
    WARN("SKIPPED: " << name.on.why);    \
    return;                              \
  }

}  // namespace kvstrata_test
