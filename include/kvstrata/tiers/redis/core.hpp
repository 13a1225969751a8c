// What those who work on a redis_cluster share: the client, what is known, erasures that wait, and the lock on them.
#pragma once

#include <kvstrata/tiers/redis/books/figures.hpp>
#include <kvstrata/tiers/redis/books/known_sequences.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/redis/io/client.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// An erasure that has not reached the cluster.
struct waiting_erasure
{
  sequence_key key{};
  bool under_way = false;
  bool again = false;  ///< it was erased once more meanwhile
};

/// No I/O is done under the lock.
struct cluster_core
{
  explicit cluster_core(const redis_cluster_config& c) : config(c), servers(c, counters), known(c.known_sequences) {}

  [[nodiscard]] waiting_erasure* erasure_of(const sequence_key& key) noexcept
  {
    for (waiting_erasure& one : erasures) {
      if (one.key == key) return &one;
    }
    return nullptr;
  }
  /// Of its codec; 0: it has none.
  [[nodiscard]] std::uint64_t codec() const noexcept
  {
    return config.code == nullptr ? 0 : stores::fingerprint_with_piece(config.code->mark());
  }
  [[nodiscard]] time_limit request_limit() const { return limit_of(config.request_seconds, &closing); }
  [[nodiscard]] time_point known_until() const { return limit_of(config.known_seconds).until; }
  [[nodiscard]] time_point away_until() const { return limit_of(config.away_seconds).until; }

  redis_cluster_config config;
  cluster_counters counters;
  std::atomic<bool> closing{false};
  client servers;

  std::mutex mutex;  // what follows
  known_sequences known;
  std::vector<waiting_erasure> erasures;
  std::condition_variable erasure_over;
};

}  // namespace kvstrata::redis
