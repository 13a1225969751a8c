// One I/O of a redis_cluster, from the call that asks for it until its outcome is told.
#pragma once

#include <kvstrata/tiers/stores/record_io.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct cluster_io : record_io
{
  std::atomic<bool> erased{false};  ///< its sequence was, meanwhile

  /// Who carries it out, once.
  void (*carry_out)(void* whom, cluster_io& io) noexcept = nullptr;
  void* whom = nullptr;

  void run() noexcept
  {
    run_first();
    if (layer_is_there) layer_is_there(static_cast<std::uint32_t>(layer_points.size()));  // also where one was lost
    end();
  }
  void run_first() noexcept
  {
    if (whom != nullptr) carry_out(std::exchange(whom, nullptr), *this);
  }
};

}  // namespace kvstrata::redis
