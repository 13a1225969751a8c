// A process over a cluster of its own, which it may hurt: what it is served meanwhile, and whether it heals.
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

struct hurt
{
  using store_type = kvstrata::redis_cluster<>::on<plain_device>;
  static constexpr std::uint64_t users = 60;
  static constexpr kvstrata::token_interval history{0, 40};

  std::string why{};
  std::unique_ptr<real_cluster> cluster;
  std::vector<std::unique_ptr<bad_network>> networks{};  ///< in front of each server, where there are any
  plain_device device{};
  std::unique_ptr<store_type> store{};
  std::unique_ptr<store_bed<store_type, plain_device>> records{};

  /// `far`: the servers are reached over networks that may be bad, by others, too. cluster is null where there can be none.
  explicit hurt(bool far = false) : cluster(real_cluster::make(why, "--node-timeout 500"))
  {
    if (!cluster || (far && !move_away())) return;
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

 private:
  /// The servers say that they are where their networks are, and believe it of each other.
  [[nodiscard]] bool move_away()
  {
    for (std::size_t server = 0; server < 6; ++server) {
      networks.push_back(std::make_unique<bad_network>(static_cast<std::uint16_t>(cluster->port(server))));
    }
    if (cluster->move_to([this](std::size_t server) { return networks[server]->port(); })) return true;
    why = "the servers do not come to be known by other ports (cluster-announce-port)";
    cluster = nullptr;
    return false;
  }
};

#define KVSTRATA_HURT(name, ...)         \
  kvstrata_test::hurt name{__VA_ARGS__}; \
  if (!name.cluster) {                   \
    WARN("SKIPPED: " << name.why);       \
    return;                              \
  }

}  // namespace kvstrata_test
