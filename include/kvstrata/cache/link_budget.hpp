// Bounds what is under way on a link at once.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cstdint>
#include <deque>
#include <limits>

namespace kvstrata {

/// Without a bound it keeps nothing and asks nothing. Not synchronised.
class link_budget
{
 public:
  explicit link_budget(std::uint64_t most_bytes) : most_(most_bytes) {}

  /// May more begin, after `queued` bytes that are not under way yet? Never blocks.
  template <device Device>
  [[nodiscard]] bool has_room(Device& d, std::uint64_t queued)
  {
    if (!is_bounded()) return true;
    while (!under_way_.empty() && d.query(under_way_.front().last)) {
      bytes_ -= under_way_.front().bytes;
      under_way_.pop_front();
    }
    return bytes_ + queued < most_;
  }

  /// `bytes` bytes are under way until `last`.
  void add(event last, std::uint64_t bytes)
  {
    if (!is_bounded()) return;
    under_way_.push_back({last, bytes});
    bytes_ += bytes;
  }

 private:
  struct transfer
  {
    event last;
    std::uint64_t bytes = 0;
  };

  [[nodiscard]] bool is_bounded() const noexcept { return most_ != (std::numeric_limits<std::uint64_t>::max)(); }

  std::uint64_t most_;
  std::uint64_t bytes_ = 0;
  std::deque<transfer> under_way_;
};

}  // namespace kvstrata
