// What a timeline keeps of leases and of the copies that were queued for them, to draw arrows from one to the other.
#pragma once

#include <kvstrata/observe/events.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Leaves out what it has no room for. Not synchronised.
class timeline_flows
{
 public:
  struct life
  {
    std::uint64_t lease = 0;
    std::uint64_t label = 0;
    double began = 0;  ///< prepare
    double ended = 0;  ///< release; not before it began
    std::uint32_t stream = 0;
    std::uint64_t point = 0;  ///< of the compute stream, at the release; 0: it computed nothing, or is not over
  };

  /// As with begin, `most` bounds what is kept.
  void copies(const copies_queued& e, std::size_t most) noexcept
  {
    if (e.cause.lease != 0) keep(copies_, e, most);
  }
  void begin(const batch_prepared& e, double at, std::size_t most) noexcept
  {
    keep(lives_, life{.lease = e.lease, .label = e.label, .began = at, .ended = at}, most);
  }
  /// O(leases that are kept since).
  void end(const lease_released& e, double at) noexcept
  {
    const auto found = std::find_if(lives_.rbegin(), lives_.rend(), [&](const life& l) { return l.lease == e.lease; });
    if (found == lives_.rend()) return;
    if (at > found->ended) found->ended = at;
    found->stream = e.stream;
    found->point = e.point;
  }
  void clear() noexcept
  {
    lives_.clear();
    copies_.clear();
  }

  [[nodiscard]] const std::vector<life>& lives() const noexcept { return lives_; }
  [[nodiscard]] const std::vector<copies_queued>& all_copies() const noexcept { return copies_; }

 private:
  template <class T>
  static void keep(std::vector<T>& all, const T& one, std::size_t most) noexcept
  {
    try {
      if (all.size() < most) all.push_back(one);
    } catch (...) {  // there is no memory
    }
  }

  std::vector<life> lives_;  // in the order of prepare
  std::vector<copies_queued> copies_;
};

}  // namespace kvstrata::detail
