// What Perfetto makes of a trace's slices and marks, after its trace processor (v52): an event before 0 is dropped; those
// of one thread are sorted by time, the longer first; one that overlaps another without lying within it is dropped; what is
// deeper than 512 is shown at the top, which counts as dropped here; what ends at a moment makes room for what begins then,
// unless it has no length; times are doubles of microseconds.
#pragma once

#include "observe/json_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct perfetto_slice
{
  double row = 0;
  std::int64_t begin = 0;  ///< nanoseconds
  std::int64_t end = 0;
  std::size_t depth = 0;
  std::string name;
};
struct perfetto_picture
{
  std::vector<perfetto_slice> shown;
  std::size_t dropped = 0;
  std::size_t depth = 0;  ///< of the deepest
};

[[nodiscard]] inline perfetto_picture as_perfetto_shows(const json_value& file)
{
  constexpr std::size_t deepest = 512;
  perfetto_picture out;
  std::vector<std::tuple<std::int64_t, std::int64_t, std::size_t>> order;  // begin, minus length, place
  const std::vector<json_value>& events = file["traceEvents"].items;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (const std::string& phase = events[i]["ph"].text; phase != "X" && phase != "i") continue;  // nor arrows
    const auto ns = [](const json_value& v) { return static_cast<std::int64_t>(std::llround(v.number * 1000)); };
    const std::int64_t begin = ns(events[i]["ts"]);
    const std::int64_t length = events[i].has("dur") ? ns(events[i]["dur"]) : 0;
    if (begin < 0 || length < 0) ++out.dropped;
    else order.emplace_back(begin, -length, i);
  }
  std::sort(order.begin(), order.end());
  std::map<std::pair<double, double>, std::vector<std::pair<std::int64_t, std::int64_t>>> stacks;
  for (const auto& [begin, minus_length, i] : order) {
    const std::int64_t end = begin - minus_length;
    const double row = events[i]["tid"].number;
    auto& open = stacks[{events[i]["pid"].number, row}];
    while (!open.empty() && open.back().second <= begin && open.back() != std::pair(begin, begin)) open.pop_back();
    if (open.size() >= deepest || (!open.empty() && open.back().second < end)) {
      ++out.dropped;
      continue;
    }
    out.shown.push_back({row, begin, end, open.size(), events[i]["name"].text});
    out.depth = (std::max)(out.depth, open.size());
    open.emplace_back(begin, end);
  }
  return out;
}

}  // namespace kvstrata_test
