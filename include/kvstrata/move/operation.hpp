// The copies down of one operation: from one level to those below it, lane by lane.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/move/copy_job.hpp>
#include <kvstrata/move/copy_lanes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Reused from operation to operation, as its jobs are. Not synchronised.
template <class Residency>
class operation
{
 public:
  static constexpr level_index memories = Residency::memories;

  /// What goes in one lane.
  struct part
  {
    fence after;                                     ///< what its copies wait for
    std::array<copy_job<Residency>, memories> jobs;  ///< [level that they go to]
  };

  void start(Residency& residency, std::size_t lanes, level_index from)
  {
    from_ = from;
    parts_.resize(lanes);
    for (part& one : parts_) {
      one.after.clear();
      for (level_index to = from_ + 1; to < memories; ++to) one.jobs[to].start(residency);
    }
  }
  [[nodiscard]] part& in(lane_number lane) noexcept { return parts_[lane]; }

  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    std::uint64_t sum = 0;
    for (const part& one : parts_) {
      for (level_index to = from_ + 1; to < memories; ++to) sum += one.jobs[to].list().bytes();
    }
    return sum;
  }

  /// Calls visit(lane, part).
  template <class Visit>
  void each(Visit&& visit)
  {
    for (std::size_t i = 0; i < parts_.size(); ++i) visit(static_cast<lane_number>(i), parts_[i]);
  }

  /// It ends without its copies.
  void retract() noexcept
  {
    for (part& one : parts_) {
      for (level_index to = from_ + 1; to < memories; ++to) static_cast<void>(one.jobs[to].retract(one.after));
    }
  }

 private:
  level_index from_ = 0;
  std::vector<part> parts_;  // [lane]
};

}  // namespace kvstrata
