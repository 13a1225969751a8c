// Draws what a timeline kept so that Perfetto shows all of it. Perfetto drops what begins before 0 and what overlaps
// another slice of its row without lying within it, shows some 500 slices within each other and no more, and from 2^53
// nanoseconds on (104 days) takes neighbours for one another.
#pragma once

#include <kvstrata/observe/timeline_entry.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// One row of the picture, divided into as many lanes as it takes for slices to lie side by side or within each other.
class row_lanes
{
 public:
  /// The lane of a slice, as Perfetto sees it: a mark is one of no length, and those of one moment lie within each
  /// other. Slices come by their begin, the longer ones first. O(lanes), and the depth of what has ended.
  [[nodiscard]] std::size_t lane_of(trace_time begin, trace_time end)
  {
    std::size_t i = 0;
    while (i < lanes_.size() && !fits(lanes_[i], begin, end)) ++i;
    if (i == lanes_.size()) lanes_.emplace_back();
    lanes_[i].push_back({begin, end});
    return i;
  }
  [[nodiscard]] std::size_t lanes() const noexcept { return lanes_.size(); }

 private:
  static constexpr std::size_t most_nested = 64;
  using open_slices = std::vector<std::pair<trace_time, trace_time>>;  // the innermost last

  static bool fits(open_slices& open, trace_time begin, trace_time end)
  {
    const auto ended = [&](const auto& s) { return s.second < begin || (s.second == begin && s.first < begin); };
    while (!open.empty() && ended(open.back())) open.pop_back();
    return open.empty() || (open.back().second >= end && open.size() < most_nested);
  }

  std::vector<open_slices> lanes_;
};

/// Where each entry goes.
class timeline_drawing
{
 public:
  /// The entries must stay. `names`: of the rows 0, 1, 2, ...
  timeline_drawing(const std::vector<timeline_entry>& entries, const std::vector<std::string>& names)
      : entries_(&entries), names_(&names)
  {
    find_times();
    find_lanes();
  }

  void draw(trace_event_writer& to) const
  {
    for (std::size_t row = 0; row < names_->size(); ++row) {
      const std::uint32_t lanes = first_[row + 1] - first_[row];
      for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        const std::string number = lane == 0 ? "" : " (" + std::to_string(lane + 1) + ")";
        to.row(first_[row] + lane, (*names_)[row] + number);
      }
    }
    std::vector<trace_argument> arguments;
    for (const placed& p : order_) {
      const timeline_entry& e = (*entries_)[p.entry];
      const std::uint32_t row = first_[e.row] + p.lane;
      arguments.clear();
      if (e.count != 0) arguments.push_back({"count", e.count});
      for (std::size_t i = 0; i < e.argument_count; ++i) arguments.push_back(e.arguments[i].what);
      if (e.shape == timeline_shape::mark) to.instant(row, e.category, e.name, p.begin, arguments);
      else
        to.slice(row, e.category, e.name, p.begin, p.end, arguments,
                 e.shape == timeline_shape::stall ? "terrible" : "");  // red, in Chrome's palette
    }
  }

  /// Where an entry is in the file.
  struct place
  {
    std::uint32_t row = 0;
    trace_time begin{};
    trace_time end{};
  };
  [[nodiscard]] place place_of(std::size_t entry) const
  {
    const placed& p = order_[where_[entry]];
    return {first_[(*entries_)[entry].row] + p.lane, p.begin, p.end};
  }
  /// The first row that nothing is in.
  [[nodiscard]] std::uint32_t end_row() const noexcept { return first_.back(); }

  /// By how much all was moved, to begin at 0. Nothing is where the times are fit to be shown as they are.
  [[nodiscard]] trace_time moved() const noexcept { return moved_; }

 private:
  struct placed
  {
    trace_time begin{};
    trace_time end{};
    std::size_t entry = 0;
    std::uint32_t lane = 0;
  };

  static constexpr trace_time latest{std::int64_t{1} << 52};

  void find_times()
  {
    order_.reserve(entries_->size());
    for (const timeline_entry& e : *entries_)
      order_.push_back({trace_time_of(e.begin), trace_time_of(e.end), order_.size()});
    std::sort(order_.begin(), order_.end(), [this](const placed& a, const placed& b) {
      const auto key = [this](const placed& p) {
        return std::tuple((*entries_)[p.entry].row, p.begin, -p.end, p.entry);
      };
      return key(a) < key(b);
    });
    where_.resize(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) where_[order_[i].entry] = i;
    trace_time earliest{};
    trace_time last{};
    for (std::size_t i = 0; i < order_.size(); ++i) {
      earliest = i == 0 ? order_[i].begin : (std::min)(earliest, order_[i].begin);
      last = (std::max)(last, order_[i].end);
    }
    if (earliest >= trace_time{} && last < latest) return;
    moved_ = -earliest;
    for (placed& p : order_) {
      p.begin += moved_;
      p.end += moved_;
    }
  }

  void find_lanes()
  {
    std::vector<row_lanes> rows(names_->size());
    for (placed& p : order_)
      p.lane = static_cast<std::uint32_t>(rows[(*entries_)[p.entry].row].lane_of(p.begin, p.end));
    first_.push_back(1);  // Perfetto takes 0 for the idle task
    for (const row_lanes& r : rows) {
      first_.push_back(first_.back() + static_cast<std::uint32_t>((std::max)(r.lanes(), std::size_t{1})));
    }
  }

  const std::vector<timeline_entry>* entries_;
  const std::vector<std::string>* names_;
  std::vector<placed> order_;         // by rows and times
  std::vector<std::size_t> where_;    // [entry] in order_
  std::vector<std::uint32_t> first_;  // [row], the number of its first lane; one more at the end
  trace_time moved_{};
};

}  // namespace kvstrata::detail
