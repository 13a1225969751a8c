// A tracker that keeps what happened when, and writes it as a picture for Perfetto or Chrome: a row for the cache, with
// its calls as slices and evictions, pressure, delayed writes and prefetches as marks, and a row for each stream, with
// what a device's own trace says of copies, kernels and stalls.
//
//   cache.watcher().use_clock([&device] { return device.now(); });   // one clock for both
//   ...
//   cache.watcher().add_spans(device.trace());
//   cache.watcher().write(file);
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <ostream>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata {

/// What a stream did for a while, in seconds: op_span is one. `name_of(s.kind)` is found where the kind is declared; a
/// span of the kind "wait" is a stall. Used where they are there: `stream`, so that streams that share a name get rows of
/// their own, and `pieces`.
template <class S>
concept stream_span = requires(const S& s) {
  { s.stream_name } -> std::convertible_to<std::string_view>;
  { s.label } -> std::convertible_to<std::string_view>;
  { s.begin } -> std::convertible_to<double>;
  { s.end } -> std::convertible_to<double>;
  { s.bytes } -> std::convertible_to<std::uint64_t>;
  { name_of(s.kind) } -> std::convertible_to<std::string_view>;
};

/// Keeps the first `most_events` events, and counts those that it leaves out. Every member may be called from any
/// thread. An event for which there is no memory, or whose time the clock does not know, is left out and counted, too:
/// the cache does not notice.
class timeline
{
 public:
  static constexpr std::size_t default_most_events = 100'000;  // some 25 MB

  /// Seconds, of the clock that device spans keep. Default: the steady clock, from construction. Called under the
  /// cache's lock; it must not call the cache or this timeline. Where it throws, or returns what is no time, the event
  /// is left out. Throws usage_error for an empty function.
  void use_clock(std::function<double()> clock)
  {
    if (!clock) throw usage_error("use_clock was given an empty function");
    const std::lock_guard lock(mutex_);
    clock_ = std::move(clock);
  }

  /// What is kept already stays.
  void limit(std::size_t most_events)
  {
    const std::lock_guard lock(mutex_);
    most_events_ = most_events;
  }

  void on(const call_began&) noexcept
  {
    const std::lock_guard lock(mutex_);
    call_began_ = now();
  }
  void on(const call_ended& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    keep(event_kind::slice, cache_row, "call", name_of(e.call), call_began_, now(), {});
  }
  void on(const batch_prepared& e) noexcept
  {
    mark("batch", "batch",
         {{"requests", e.requests},
          {"device_tokens", e.device_tokens},
          {"lower_tokens", e.lower_tokens},
          {"computed_tokens", e.computed_tokens},
          {"recomputed_tokens", e.recomputed_tokens},
          {"prefetched_tokens", e.prefetched_tokens}});
  }
  void on(const tokens_evicted& e) noexcept
  {
    mark("eviction", e.from == tier_level::device ? "evicted from device" : "evicted from lower",
         {{"tokens", e.tokens}, {"dropped", e.dropped}, {"unread", e.unread}, {"age", e.age}});
  }
  void on(const pressure_met&) noexcept { mark("pressure", "pressure", {}); }
  void on(const offload_refused& e) noexcept { mark("write", "write refused", {{"tokens", e.tokens}}); }
  void on(const write_delayed& e) noexcept { mark("write", "write delayed", {{"tokens", e.tokens}}); }
  void on(const tokens_cleaned& e) noexcept { mark("write", "cleaned", {{"tokens", e.tokens}}); }
  void on(const prefetch_queued& e) noexcept
  {
    mark("prefetch", "prefetch queued", {{"tokens", e.tokens}, {"displaced", e.displaced}});
  }
  void on(const prefetch_undone& e) noexcept { mark("prefetch", "prefetch undone", {{"tokens", e.tokens}}); }

  /// Adds what a device traced, a slice a span on the row of its stream. Throws usage_error for a time that is not
  /// finite or an end before its beginning; then nothing is added.
  template <std::ranges::forward_range Spans>
    requires stream_span<std::ranges::range_value_t<Spans>>
  void add_spans(const Spans& spans)
  {
    for (const auto& s : spans) require_times(s.label, s.begin, s.end);
    const std::lock_guard lock(mutex_);
    for (const auto& s : spans) {
      std::uint64_t number = 0;
      std::uint64_t pieces = 0;
      if constexpr (requires { static_cast<std::uint64_t>(s.stream); }) number = static_cast<std::uint64_t>(s.stream);
      if constexpr (requires { static_cast<std::uint64_t>(s.pieces); }) pieces = static_cast<std::uint64_t>(s.pieces);
      const std::string_view kind = name_of(s.kind);
      const bool stall = kind == "wait";
      keep(stall ? event_kind::stall : event_kind::slice, row_of(s.stream_name, number), stall ? "stall" : kind,
           s.label, s.begin, s.end, {{"bytes", static_cast<std::uint64_t>(s.bytes)}, {"pieces", pieces}});
    }
  }

  /// How many events are kept, and how many were left out.
  [[nodiscard]] std::size_t events() const
  {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  [[nodiscard]] std::uint64_t left_out() const
  {
    const std::lock_guard lock(mutex_);
    return left_out_;
  }

  /// Forgets all events; the clock and the limit stay.
  void clear()
  {
    const std::lock_guard lock(mutex_);
    events_.clear();
    rows_.clear();
    left_out_ = 0;
  }

  /// Writes all that is kept as one JSON file; keeps it. When events were left out, the file says how many, and a mark
  /// at the last moment does. The cache waits only while the events are copied. O(events).
  void write(std::ostream& out) const
  {
    std::unique_lock lock(mutex_);
    const std::vector<entry> events = events_;
    const std::vector<stream_row> rows = rows_;
    const trace_argument remarks[] = {{"left_out", left_out_}, {"most_events", most_events_}};
    lock.unlock();

    trace_event_writer to(out, "kvstrata");
    to.row(cache_row, "cache");
    for (std::size_t i = 0; i < rows.size(); ++i)
      to.row(first_stream_row + static_cast<std::uint32_t>(i), rows[i].name);
    double last = 0;
    for (const entry& e : events) {
      last = (std::max)(last, e.end);
      const std::span<const trace_argument> arguments(e.arguments.data(), e.argument_count);
      if (e.kind == event_kind::instant) to.instant(e.row, e.category, e.name, e.begin, arguments);
      else
        to.slice(e.row, e.category, e.name, e.begin, e.end, arguments,
                 e.kind == event_kind::stall ? "terrible" : "");  // red, in Chrome's palette
    }
    if (remarks[0].value != 0) to.instant(cache_row, "left out", "later events were left out", last, remarks);
    to.finish(remarks);
  }

 private:
  enum class event_kind : std::uint8_t { slice, stall, instant };
  static constexpr std::uint32_t cache_row = 1, first_stream_row = 2;

  struct entry
  {
    double begin = 0;
    double end = 0;
    std::uint32_t row = 0;
    event_kind kind = event_kind::slice;
    std::uint8_t argument_count = 0;
    std::array<trace_argument, 6> arguments{};
    std::string category;
    std::string name;
  };
  struct stream_row
  {
    std::string name;
    std::uint64_t number = 0;
  };

  [[nodiscard]] static bool is_span(double begin, double end) noexcept
  {
    return std::isfinite(begin) && std::isfinite(end) && begin <= end;
  }
  static void require_times(std::string_view label, double begin, double end)
  {
    if (is_span(begin, end)) return;
    throw usage_error("the span '" + std::string(label) + "' runs from " + std::to_string(begin) + " s to " +
                      std::to_string(end) + " s, but a span has a beginning and an end in that order");
  }

  /// The row of a stream, a new one where there is none. A device has few streams. The lock is held.
  [[nodiscard]] std::uint32_t row_of(std::string_view name, std::uint64_t number)
  {
    std::size_t i = 0;
    while (i < rows_.size() && (rows_[i].number != number || rows_[i].name != name)) ++i;
    if (i == rows_.size()) rows_.push_back({std::string(name), number});
    return first_stream_row + static_cast<std::uint32_t>(i);
  }

  void mark(std::string_view category, std::string_view name, std::initializer_list<trace_argument> arguments) noexcept
  {
    const std::lock_guard lock(mutex_);
    const double at = now();
    keep(event_kind::instant, cache_row, category, name, at, at, arguments);
  }

  /// Not a number where the clock does not know. The lock is held.
  [[nodiscard]] double now() const noexcept
  {
    try {
      return clock_();
    } catch (...) {
      return std::numeric_limits<double>::quiet_NaN();
    }
  }

  /// The lock is held.
  void keep(event_kind kind, std::uint32_t row, std::string_view category, std::string_view name, double begin,
            double end, std::initializer_list<trace_argument> arguments) noexcept
  {
    if (events_.size() >= most_events_ || !is_span(begin, end)) {
      ++left_out_;
      return;
    }
    try {
      entry e{.begin = begin,
              .end = end,
              .row = row,
              .kind = kind,
              .category = std::string(category),
              .name = std::string(name)};
      for (const trace_argument& a : arguments) e.arguments[e.argument_count++] = a;
      events_.push_back(std::move(e));
    } catch (...) {
      ++left_out_;
    }
  }

  [[nodiscard]] static std::function<double()> steady_seconds()
  {
    const auto start = std::chrono::steady_clock::now();
    return [start] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  }

  mutable std::mutex mutex_;
  std::function<double()> clock_ = steady_seconds();
  std::size_t most_events_ = default_most_events;
  double call_began_ = 0;
  std::vector<entry> events_;
  std::vector<stream_row> rows_;
  std::uint64_t left_out_ = 0;
};

static_assert(tracks<timeline, call_ended> && tracks<timeline, tokens_evicted> && tracks<timeline, prefetch_queued>);

}  // namespace kvstrata
