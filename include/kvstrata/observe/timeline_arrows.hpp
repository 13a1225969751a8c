// Draws leases, and arrows from each to the copies that were queued for it, where a device's spans have points.
#pragma once

#include <kvstrata/observe/timeline_drawing.hpp>
#include <kvstrata/observe/timeline_entry.hpp>
#include <kvstrata/observe/timeline_flows.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Leases of whose copies no span is there are left out. O(n log n).
class timeline_arrows
{
 public:
  /// All must stay.
  timeline_arrows(const timeline_flows& flows, const std::vector<timeline_entry>& entries)
      : lives_(&flows.lives()), entries_(&entries)
  {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const timeline_entry& e = entries[i];
      if (e.point != 0 && e.shape == timeline_shape::slice) spans_.emplace_back(e.stream, e.point, i);
    }
    std::sort(spans_.begin(), spans_.end());
    for (const copies_queued& c : flows.all_copies()) find_copies(c);
    std::stable_sort(arrows_.begin(), arrows_.end(), [](const arrow& a, const arrow& b) { return a.life < b.life; });
  }

  /// From that row on.
  void draw(trace_event_writer& to, const timeline_drawing& picture, std::uint32_t first_row) const
  {
    std::vector<std::pair<trace_time, trace_time>> rows;  // what lies in each last
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < arrows_.size();) {
      std::size_t next = i;
      while (next < arrows_.size() && arrows_[next].life == arrows_[i].life) ++next;
      const timeline_flows::life& mine = (*lives_)[arrows_[i].life];
      const std::size_t kernel = last_kernel(mine);
      const trace_time begin = (std::max)(trace_time_of(mine.began) + picture.moved(), trace_time{});
      trace_time end = (std::max)(trace_time_of(mine.ended) + picture.moved(), begin);
      if (kernel != nowhere) end = (std::max)(end, picture.place_of(kernel).end);
      const std::uint32_t row = first_row + row_for(to, rows, first_row, begin, end);
      const trace_argument arguments[] = {{"lease", mine.lease}, {"label", mine.label}, {"copies", next - i}};
      to.slice(row, "lease", "lease " + std::to_string(mine.lease), begin, end, arguments);
      for (; i < next; ++i) draw_arrow(to, picture, arrows_[i], kernel, row, begin, id);
    }
  }

 private:
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  /// To a span of a copy.
  struct arrow
  {
    std::size_t life = 0;
    std::size_t copy = 0;
    bool up = false;
  };
  using span_place = std::tuple<std::uint32_t, std::uint64_t, std::size_t>;  // stream, point, entry

  void find_copies(const copies_queued& c)
  {
    const auto life = std::find_if(lives_->rbegin(), lives_->rend(),
                                   [&](const timeline_flows::life& l) { return l.lease == c.cause.lease; });
    if (life == lives_->rend() || !is_trace_time(life->began) || !is_trace_time(life->ended)) return;
    const auto number = static_cast<std::size_t>(lives_->rend() - life) - 1;
    auto at = std::lower_bound(spans_.begin(), spans_.end(), span_place{c.stream, c.after + 1, 0});
    for (; at != spans_.end() && std::get<0>(*at) == c.stream && std::get<1>(*at) <= c.last; ++at) {
      arrows_.push_back({number, std::get<2>(*at), c.up});
    }
  }

  /// The entry of the last that a lease's compute stream had to do; nowhere where that is not known.
  [[nodiscard]] std::size_t last_kernel(const timeline_flows::life& mine) const
  {
    if (mine.point == 0) return nowhere;
    const auto behind = std::upper_bound(spans_.begin(), spans_.end(), span_place{mine.stream, mine.point, nowhere});
    if (behind == spans_.begin() || std::get<0>(*(behind - 1)) != mine.stream) return nowhere;
    const std::size_t found = std::get<2>(*(behind - 1));
    return (*entries_)[found].end > mine.began ? found : nowhere;  // else it is an earlier lease's
  }

  /// Leases lie side by side, none within another: arrows begin in the innermost slice.
  [[nodiscard]] static std::uint32_t row_for(trace_event_writer& to,
                                             std::vector<std::pair<trace_time, trace_time>>& rows,
                                             std::uint32_t first_row, trace_time begin, trace_time end)
  {
    std::size_t i = 0;
    const auto is_over = [&](const auto& last) {
      return last.second < begin || (last.second == begin && last.first < begin);
    };
    while (i < rows.size() && !is_over(rows[i])) ++i;
    if (i == rows.size()) {
      to.row(first_row + static_cast<std::uint32_t>(i), i == 0 ? "leases" : "leases (" + std::to_string(i + 1) + ")");
      rows.emplace_back();
    }
    rows[i] = {begin, end};
    return static_cast<std::uint32_t>(i);
  }

  void draw_arrow(trace_event_writer& to, const timeline_drawing& picture, const arrow& one, std::size_t kernel,
                  std::uint32_t row, trace_time begin, std::uint64_t& id) const
  {
    const auto midst = [](const timeline_drawing::place& p) { return p.begin + (p.end - p.begin) / 2; };
    const timeline_drawing::place copy = picture.place_of(one.copy);
    if (midst(copy) < begin) return;  // clocks that differ
    ++id;
    const auto station = [&](flow_station what, std::uint32_t where, trace_time at) {
      to.flow(what, id, where, "copy", "copy", at);
    };
    station(flow_station::begin, row, begin);
    if (one.up && kernel != nowhere && midst(picture.place_of(kernel)) >= midst(copy)) {
      const timeline_drawing::place last = picture.place_of(kernel);
      station(flow_station::step, copy.row, midst(copy));
      station(flow_station::end, last.row, midst(last));
    } else {
      station(flow_station::end, copy.row, midst(copy));
    }
  }

  const std::vector<timeline_flows::life>* lives_;
  const std::vector<timeline_entry>* entries_;
  std::vector<span_place> spans_;
  std::vector<arrow> arrows_;
};

}  // namespace kvstrata::detail
