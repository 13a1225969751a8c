// What every I/O that a store has promised has in common.
#pragma once

#include <kvstrata/device/host_io.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <atomic>
#include <cstdint>

namespace kvstrata {

/// A store's own kind of I/O adds described() -> host_io, what is promised, and run() noexcept, which carries it out and
/// calls end() last.
struct promised_io
{
  bool silent = false;   ///< nobody answers
  bool by_hand = false;  ///< nobody carries it out: whoever ends it completes its point
  store_outcome outcome;
  std::uint32_t lane = 0;
  std::uint64_t id = 0;
  event point;
  fence ready;

  [[nodiscard]] bool is_over() const noexcept { return over_.load(std::memory_order_acquire); }
  void end() noexcept { over_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> over_{false};
};

}  // namespace kvstrata
