// The file of a timeline.
#pragma once

#include <kvstrata/observe/timeline_arrows.hpp>
#include <kvstrata/observe/timeline_drawing.hpp>
#include <kvstrata/observe/timeline_entry.hpp>
#include <kvstrata/observe/timeline_store.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// The file. Where events were left out, a mark at the last moment says so.
inline void draw(const timeline_store& kept, std::ostream& out)
{
  std::vector<timeline_entry> entries = kept.entries();
  const trace_argument left_out{"left_out", kept.left_out()};
  const trace_argument most_events{"most_events", kept.most_entries};
  if (left_out.value != 0) {
    double last = entries.empty() ? 0 : entries.front().end;
    for (const timeline_entry& e : entries) last = (std::max)(last, e.end);
    entries.push_back({.begin = last,
                       .end = last,
                       .row = timeline_store::cache_row,
                       .shape = timeline_shape::mark,
                       .argument_count = 2,
                       .arguments = {{{left_out}, {most_events}}},
                       .category = "left out",
                       .name = "events were left out"});
  }
  const std::vector<std::string> names = kept.row_names();
  const timeline_drawing drawing(entries, names);
  trace_event_writer to(out, "kvstrata");
  drawing.draw(to);
  timeline_arrows(kept.flows, entries).draw(to, drawing, drawing.end_row());
  const auto ns = [](trace_time t) { return static_cast<std::uint64_t>((std::max)(t, trace_time{}).count()); };
  const trace_argument remarks[] = {
      left_out, most_events, {"moved_later_ns", ns(drawing.moved())}, {"moved_earlier_ns", ns(-drawing.moved())}};
  to.finish(remarks);
}

}  // namespace kvstrata::detail
