// The points of one host stream: promised in order, completed in any order, passed in order.
#pragma once

#include <kvstrata/device/event.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Points are numbered 1, 2, 3, ... For one thread at a time. Every call is O(1) over time; promise() alone takes memory,
/// and in a steady state not even that.
class host_line
{
 public:
  enum class stage : std::uint8_t {
    open,       ///< nobody has completed it
    scheduled,  ///< it is going to be completed by itself
    done,       ///< it is completed, and passes when all before it are
  };

  [[nodiscard]] std::uint64_t promised() const noexcept { return promised_; }
  [[nodiscard]] std::uint64_t passed() const noexcept { return passed_; }

  /// Of a point that was promised.
  [[nodiscard]] stage stage_of(std::uint64_t point) const noexcept
  {
    return point <= passed_ ? stage::done : ring_[point & mask()].now;
  }
  /// What the I/O of a point that has not passed waits for.
  [[nodiscard]] const fence& ready_of(std::uint64_t point) const noexcept { return ring_[point & mask()].ready; }

  /// The number of a new point. When this throws, there is none.
  std::uint64_t promise(const fence& ready)
  {
    if (promised_ - passed_ == ring_.size()) widen();
    ring_[(promised_ + 1) & mask()] = {ready, stage::open};
    return ++promised_;
  }

  /// The point is open.
  void schedule(std::uint64_t point) noexcept { ring_[point & mask()].now = stage::scheduled; }

  /// The point has been promised and is not done. Returns which is the last to have passed then.
  std::uint64_t complete(std::uint64_t point) noexcept
  {
    slot& mine = ring_[point & mask()];
    mine.now = stage::done;
    mine.ready.clear();
    while (passed_ != promised_ && ring_[(passed_ + 1) & mask()].now == stage::done) ++passed_;
    return passed_;
  }

  /// All that is promised is over, come what may.
  std::uint64_t complete_all() noexcept
  {
    while (passed_ != promised_) complete(passed_ + 1);
    return passed_;
  }

 private:
  struct slot
  {
    fence ready;
    stage now = stage::open;
  };

  [[nodiscard]] std::size_t mask() const noexcept { return ring_.size() - 1; }

  void widen()
  {
    std::vector<slot> wider((std::max)(std::size_t{8}, 2 * ring_.size()));
    for (std::uint64_t i = passed_ + 1; i <= promised_; ++i) {
      wider[i & (wider.size() - 1)] = std::move(ring_[i & mask()]);
    }
    ring_.swap(wider);
  }

  std::uint64_t promised_ = 0;
  std::uint64_t passed_ = 0;
  std::vector<slot> ring_;  // [number & mask]: of the points that have not passed
};

}  // namespace kvstrata::detail
