// What a simulated cluster (simulate/cluster_simulator.hpp) is made of.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/catalogue.hpp>
#include <kvstrata/simulate/cluster_node.hpp>

#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct cluster_config
{
  node_config node{};
  std::uint32_t nodes = 40;
  double full_load = 4;         ///< requests that it has not answered are a load of 1
  bool replicate_users = true;  ///< else a user's history is where they were served last
  std::uint64_t warm_up = 0;    ///< the first so many requests are served, but not reported
};

/// Throws config_error.
inline void check(const cluster_config& c)
{
  check(c.node);
  if (c.nodes == 0) throw config_error("cluster_config.nodes", c.nodes, "there must be at least one");
  if (c.nodes > 4096) throw config_error("cluster_config.nodes", c.nodes, "it may be at most 4096");
  if (!(c.full_load > 0)) {
    throw config_error("cluster_config.full_load", std::to_string(c.full_load), "it must be more than 0");
  }
}

/// Host memory that every node sets aside for the histories of all users: none where they are not replicated. Throws config_error where
/// that is more than half of what it has.
[[nodiscard]] inline std::uint64_t bytes_set_aside(const cluster_config& c, const catalogue_config& items)
{
  if (!c.replicate_users) return 0;
  const std::uint64_t bytes =
      std::uint64_t{items.users} * items.longest_history * c.node.machine.model.kv.token_bytes();
  const std::uint64_t has = c.node.machine.host_bytes;
  if (bytes <= has / 2) return bytes;
  throw config_error("catalogue_config.users", items.users,
                     "the histories of all of them take up to " + std::to_string(bytes >> 20U) +
                         " MiB on each node, and may take half of its " + std::to_string(has >> 20U) +
                         "; let users be where they are served");
}

}  // namespace kvstrata
