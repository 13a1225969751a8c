// How much may be on its way to and from the stores of a cache.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/transfer/cost_model.hpp>
#include <kvstrata/transfer/store_cost.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of no effect where a stack has no store.
struct store_limits
{
  /// Pinned memory through which records go, half of it down and half of it up: so much may be under way. What finds no room
  /// on the way down is dropped and counted; a history that is larger than its half comes up in several steps.
  std::size_t room_bytes = std::size_t{64} << 20U;
  /// Fewer tokens than that are not worth staging: the model computes them.
  token_count stage_from = 1;
  /// Reads that provisional leases (request::provisional) may wait for at a time, each store; whoever finds no room among
  /// them is staged. Each has a stream of its own, so that one whose answer is late holds up no other copy.
  std::uint32_t late_reads = 4;

  /// What a store reaches when it is read: seconds before the first byte, and bytes a second; measured by its owner. With it
  /// and `costs` (cache_config) a cache knows what a fetch costs, and what computing does. 0 bytes a second: nobody knows, and
  /// all is staged. What is prefetched costs nobody time, and is not judged.
  link_speed reads = {};
  /// What becomes of a request's tokens that the model computes in less time than they come.
  staged_for stages_for = staged_for::latency;

  /// What is staged and has not come after so many seconds of the device is lost for its user, whose next request is served
  /// without; its place in the room stays taken until the store has answered. 0: no limit.
  double get_seconds = 0;
  /// The same of what a provisional lease counts on, from its beginning: its outcome is told then, lost. Its compute stream
  /// waits for the store all the same, and its pages are nobody else's before. 0: no limit.
  double read_seconds = 0;

  friend void check(const store_limits& s, std::size_t page_bytes)
  {
    if (s.room_bytes / 2 < page_bytes) {
      throw config_error("stores.room_bytes", s.room_bytes,
                         "half of it must hold at least one page, which is " + std::to_string(page_bytes) + " bytes");
    }
    if (!(s.get_seconds >= 0) || !std::isfinite(s.get_seconds)) {
      throw config_error("stores.get_seconds", std::to_string(s.get_seconds), "it must be finite, and at least 0");
    }
    if (!(s.read_seconds >= 0) || !std::isfinite(s.read_seconds)) {
      throw config_error("stores.read_seconds", std::to_string(s.read_seconds), "it must be finite, and at least 0");
    }
    detail::require_figure("stores.reads", "latency_seconds", s.reads.latency_seconds);
    detail::require_figure("stores.reads", "bytes_per_second", s.reads.bytes_per_second);
    if (s.stage_from == 0) throw config_error("stores.stage_from", s.stage_from, "it must be at least 1");
  }
};

}  // namespace kvstrata
