// What a redis_cluster has done, and met.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <atomic>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct cluster_counts
{
  std::uint64_t puts = 0, gets = 0, asks = 0, erasures = 0;  ///< done
  std::uint64_t put_bytes = 0, got_bytes = 0;                ///< of pages
  std::uint64_t stored_bytes = 0;                            ///< of the values of those puts, with their heads
  std::uint64_t copied_bytes =
      0;  ///< of values, from a connection's buffer to where they belong; all others came straight
  std::uint64_t connections = 0;          ///< opened
  std::uint64_t dropped_connections = 0;  ///< after an error
  std::uint64_t redirections = 0;         ///< MOVED and ASK
  std::uint64_t topologies = 0;           ///< read
  std::uint64_t missing = 0;              ///< values that were not there: evicted, or lost
  std::uint64_t foreign = 0;              ///< values and manifests that are not what they should be
  std::uint64_t older = 0;                ///< manifests and values older than known
  std::uint64_t damaged = 0;              ///< values with another checksum
  std::uint64_t outdone = 0;              ///< puts that came too late: somebody's later one, or an erasure, was there
  std::uint64_t contended = 0;            ///< manifests that somebody changed meanwhile
  std::uint64_t timeouts = 0;             ///< I/Os whose time was over
  std::uint64_t broken = 0;               ///< I/Os whose connection failed, or made no sense
  std::uint64_t away = 0;                 ///< I/Os of servers that are left alone for a while, or of slots without one
  std::uint64_t refused = 0;              ///< by servers: TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, and unknown errors
  std::uint64_t full = 0;                 ///< by servers that have no memory
  std::uint64_t denied = 0;               ///< by servers: the password, or what a user may do
  std::uint64_t unreplicated = 0;         ///< puts and erasures that no replica had in time
};

/// The same, counted by several threads at once.
struct cluster_counters
{
  using counter = std::atomic<std::uint64_t>;
  counter puts{0}, gets{0}, asks{0}, erasures{0}, put_bytes{0}, got_bytes{0}, stored_bytes{0}, copied_bytes{0},
      connections{0}, dropped_connections{0}, redirections{0}, topologies{0}, missing{0}, foreign{0}, older{0},
      damaged{0}, outdone{0}, contended{0}, timeouts{0}, broken{0}, away{0}, refused{0}, full{0}, denied{0},
      unreplicated{0};

  [[nodiscard]] cluster_counts now() const noexcept
  {
    return {puts,         gets,         asks,         erasures,    put_bytes,
            got_bytes,    stored_bytes, copied_bytes, connections, dropped_connections,
            redirections, topologies,   missing,      foreign,     older,
            damaged,      outdone,      contended,    timeouts,    broken,
            away,         refused,      full,         denied,      unreplicated};
  }
};

struct cluster_figures
{
  cluster_counts counts;
  std::uint64_t servers = 0;           ///< masters, as last heard
  std::uint64_t served_slots = 0;      ///< of 16384
  std::uint64_t waiting_erasures = 0;  ///< that have not reached the cluster
  std::uint64_t known_sequences = 0;
};

}  // namespace kvstrata::redis
