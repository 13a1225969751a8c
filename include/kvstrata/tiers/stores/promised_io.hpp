// What every I/O that a store has promised has in common.
#pragma once

#include <kvstrata/device/host_io.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A store's own kind of I/O adds described(layer, layers) -> host_io, what is promised, of a layer where it comes by layers;
/// run() noexcept, which carries it out and calls end() last; and run_first() noexcept, which carries it out.
struct promised_io
{
  bool silent = false;   ///< nobody answers
  bool by_hand = false;  ///< nobody carries it out: whoever ends it completes its point
  store_outcome outcome;
  std::uint32_t lane = 0;
  std::uint64_t id = 0;
  event point;
  fence ready;
  std::vector<event> layer_points;  ///< of what comes layer by layer, in their order; the last is `point`
  /// Of that, in real time: the layer's point may pass. Called by whoever carries the I/O out, in the order of layers.
  std::function<void(std::uint32_t)> layer_is_there{};

  [[nodiscard]] bool is_over() const noexcept { return over_.load(std::memory_order_acquire); }
  void end() noexcept { over_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> over_{false};
};

}  // namespace kvstrata
