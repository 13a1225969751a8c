// What a timeline has kept: entries up to a number, and the rows of streams. Never throws for want of memory.
#pragma once

#include <kvstrata/observe/timeline_entry.hpp>
#include <kvstrata/observe/timeline_flows.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Counts what it leaves out. Not synchronised.
class timeline_store
{
 public:
  static constexpr std::size_t nowhere = (std::numeric_limits<std::size_t>::max)();
  static constexpr std::uint32_t cache_row = 0;

  struct look
  {
    timeline_shape shape = timeline_shape::slice;
    std::uint32_t row = 0;
    std::string_view category;
    std::string_view name;
    std::uint64_t count = 0;
    std::uint32_t stream = 0;
    std::uint64_t point = 0;
  };

  explicit timeline_store(std::size_t most) noexcept : most_entries(most) {}

  std::size_t most_entries;
  timeline_flows flows;

  [[nodiscard]] static bool is_span(double begin, double end) noexcept
  {
    return is_trace_time(begin) && is_trace_time(end) && begin <= end;
  }

  /// The entry's number, or nowhere when it was left out: there are enough, there is no memory, or no time.
  std::size_t add(const look& as, double begin, double end, std::initializer_list<folded_argument> all) noexcept
  {
    try {
      if (entries_.size() < most_entries && as.row != no_row && is_span(begin, end)) {
        timeline_entry e{.begin = begin,
                         .end = end,
                         .row = as.row,
                         .stream = as.stream,
                         .point = as.point,
                         .shape = as.shape,
                         .argument_count = static_cast<std::uint8_t>(all.size()),
                         .count = as.count,
                         .category = std::string(as.category),
                         .name = std::string(as.name)};
        std::copy(all.begin(), all.end(), e.arguments.begin());
        entries_.push_back(std::move(e));
        return entries_.size() - 1;
      }
    } catch (...) {  // there is no memory
    }
    ++left_out_;
    return nowhere;
  }

  /// The row of a stream, a new one where there is none. What has none, for want of memory, is left out. A device has few
  /// streams.
  [[nodiscard]] std::uint32_t stream_row(std::string_view name, std::uint64_t number) noexcept
  {
    std::size_t i = 0;
    while (i < streams_.size() && (streams_[i].number != number || streams_[i].name != name)) ++i;
    try {
      if (i == streams_.size()) streams_.push_back({std::string(name), number});
    } catch (...) {
      return no_row;
    }
    return cache_row + 1 + static_cast<std::uint32_t>(i);
  }

  void clear() noexcept
  {
    flows.clear();
    entries_.clear();
    streams_.clear();
    left_out_ = 0;
  }

  [[nodiscard]] timeline_entry& entry(std::size_t number) noexcept { return entries_[number]; }
  [[nodiscard]] const timeline_entry& entry(std::size_t number) const noexcept { return entries_[number]; }
  [[nodiscard]] const std::vector<timeline_entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

  /// Of the rows 0, 1, 2, ...
  [[nodiscard]] std::vector<std::string> row_names() const
  {
    std::vector<std::string> names{"cache"};
    for (const stream& s : streams_) names.push_back(s.name);
    return names;
  }

 private:
  struct stream
  {
    std::string name;
    std::uint64_t number = 0;
  };
  static constexpr std::uint32_t no_row = (std::numeric_limits<std::uint32_t>::max)();

  std::vector<timeline_entry> entries_;
  std::vector<stream> streams_;
  std::uint64_t left_out_ = 0;
};

}  // namespace kvstrata::detail
