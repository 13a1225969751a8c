// A tracker that keeps what happened when, and writes it as a picture for Perfetto or Chrome: a row for the cache, with
// its calls as slices and evictions, pressure, delayed writes and prefetches as marks, and a row for each stream, with
// what a device's own trace says of copies, kernels and stalls.
//
//   cache.tracker().use_clock([&device] { return device.now(); });   // one clock for both
//   ...
//   cache.tracker().add_spans(device.trace());
//   cache.tracker().write(file);
//
// Where spans have points, each batch whose copies are seen there is a slice of the row "leases", from prepare to the
// end of what its compute stream had to do when it was released. Arrows lead from it to the copies that were queued for
// it, and from those that came up on to its last kernel. A staged copy is met in its second stage on the way up, in its
// copies on the way down.
//
// Events of one kind are one mark a call, which has their number and their sums: 900 users who must go for one batch are
// one "evicted from device". So are those of several calls, and the calls themselves, while virtual time stands still.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/stream_span.hpp>
#include <kvstrata/observe/timeline_file.hpp>
#include <kvstrata/observe/timeline_store.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <numeric>
#include <ostream>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Keeps the first `most_events` slices and marks, and counts the events that it leaves out. Every member may be called
/// from any thread. An event for which there is no memory, or whose time the clock does not know, is left out and
/// counted, too: the cache does not notice.
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
    kept_.most_entries = most_events;
  }

  void on(const call_began&) noexcept
  {
    const std::lock_guard lock(mutex_);
    call_began_ = now();
    in_call_ = true;
    ++calls_;
  }
  void on(const call_ended& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    const double end = now();
    in_call_ = false;
    recent& last = recent_calls_[static_cast<std::size_t>(e.call) % recent_calls_.size()];
    if (is_exactly(call_began_, end) && is_at(last, end)) {
      kept_.entry(last.entry).take_in({});
    } else {
      const std::size_t made = kept_.add({shape::slice, cache_row, "call", name_of(e.call), 1}, call_began_, end, {});
      if (is_exactly(call_began_, end)) last.entry = made;
    }
  }
  void on(const copies_queued& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    kept_.flows.copies(e, kept_.most_entries);
  }
  void on(const lease_released& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    kept_.flows.end(e, now());
  }
  void on(const batch_prepared& e) noexcept
  {
    {
      const std::lock_guard lock(mutex_);
      kept_.flows.begin(e, in_call_ ? call_began_ : now(), kept_.most_entries);
    }
    mark(mark_kind::batch, {{{"requests", e.requests}},
                            {{"slab_tokens", e.from[0]}},
                            {{"fetched_tokens", std::accumulate(e.from.begin() + 1, e.from.end(), std::uint64_t{0})}},
                            {{"computed_tokens", e.computed_tokens}},
                            {{"recomputed_tokens", e.recomputed_tokens}},
                            {{"prefetched_tokens", e.prefetched_tokens}}});
  }
  void on(const tokens_evicted& e) noexcept
  {
    mark(detail::eviction_mark(e.from), {{{"tokens", e.tokens}},
                                         {{"dropped", e.dropped}},
                                         {{"unread", e.unread}},
                                         {{"youngest_age", e.age}, detail::fold::least},
                                         {{"oldest_age", e.age}, detail::fold::most}});
  }
  void on(const tokens_forgotten& e) noexcept
  {
    mark(mark_kind::forgotten, {{{"rewritten", e.rewritten}},
                                {{"widened", e.widened}},
                                {{"passed", e.passed}},
                                {{"overwritten", e.overwritten}},
                                {{"inexact", e.inexact}},
                                {{"stranded", e.stranded}},
                                {{"superseded", e.superseded}}});
  }
  void on(const pressure_met&) noexcept { mark(mark_kind::pressure, {}); }
  void on(const write_refused& e) noexcept { mark(mark_kind::write_refused, {{{"tokens", e.tokens}}}); }
  void on(const write_delayed& e) noexcept { mark(mark_kind::write_delayed, {{{"tokens", e.tokens}}}); }
  void on(const write_dropped& e) noexcept { mark(mark_kind::write_dropped, {{{"tokens", e.tokens}}}); }
  void on(const tokens_cleaned& e) noexcept { mark(mark_kind::cleaned, {{{"tokens", e.tokens}}}); }
  void on(const prefetch_queued& e) noexcept
  {
    mark(mark_kind::prefetch_queued, {{{"tokens", e.tokens}}, {{"displaced", e.displaced}}});
  }
  void on(const prefetch_undone& e) noexcept { mark(mark_kind::prefetch_undone, {{{"tokens", e.tokens}}}); }
  void on(const epoch_advanced& e) noexcept
  {
    mark(mark_kind::epoch, {{{"epoch", to_number(e.epoch)}, detail::fold::most}, {{"users", e.users}}});
  }

  /// Adds what a device traced, a slice a span on the row of its stream. Throws usage_error for a time that is not
  /// finite or more than 126 years away, or an end before its beginning; then nothing is added.
  template <std::ranges::forward_range Spans>
    requires stream_span<std::ranges::range_value_t<Spans>>
  void add_spans(const Spans& spans)
  {
    for (const auto& s : spans) require_times(s.label, s.begin, s.end);
    const std::lock_guard lock(mutex_);
    for (const auto& s : spans) {
      std::uint64_t number = 0;
      std::uint64_t pieces = 0;
      std::uint64_t point = 0;
      if constexpr (requires { static_cast<std::uint64_t>(s.stream); }) number = static_cast<std::uint64_t>(s.stream);
      if constexpr (requires { static_cast<std::uint64_t>(s.pieces); }) pieces = static_cast<std::uint64_t>(s.pieces);
      if constexpr (requires { static_cast<std::uint64_t>(s.point); }) point = static_cast<std::uint64_t>(s.point);
      const std::string_view kind = name_of(s.kind);
      const bool stall = kind == "wait";
      kept_.add({stall ? shape::stall : shape::slice, kept_.stream_row(s.stream_name, number), stall ? "stall" : kind,
                 s.label, 0, static_cast<std::uint32_t>(number), point},
                s.begin, s.end, {{{"bytes", static_cast<std::uint64_t>(s.bytes)}}, {{"pieces", pieces}}});
    }
  }

  /// How many slices and marks are kept, and how many events were left out.
  [[nodiscard]] std::size_t events() const
  {
    const std::lock_guard lock(mutex_);
    return kept_.entries().size();
  }
  [[nodiscard]] std::uint64_t left_out() const
  {
    const std::lock_guard lock(mutex_);
    return kept_.left_out();
  }

  /// Forgets all events; the clock and the limit stay.
  void clear()
  {
    const std::lock_guard lock(mutex_);
    kept_.clear();
    recent_marks_ = {};
    recent_calls_ = {};
  }

  /// Writes all that is kept as one JSON file; keeps it. When events were left out, the file says how many, and a mark
  /// at the last moment does. Slices of one stream that overlap are in rows of their own: "copy", "copy (2)". Where a
  /// time is negative, or larger than Perfetto can tell apart, all are moved so that the first is 0, and the file says
  /// by how much. The cache waits only while the events are copied. O(n log n), and O(n) for each further row of a
  /// stream.
  void write(std::ostream& out) const
  {
    std::unique_lock lock(mutex_);
    const detail::timeline_store kept = kept_;
    lock.unlock();
    detail::draw(kept, out);
  }

 private:
  using shape = detail::timeline_shape;
  using mark_kind = detail::timeline_mark;
  using arguments = std::initializer_list<detail::folded_argument>;
  static constexpr std::uint32_t cache_row = detail::timeline_store::cache_row;

  /// The latest entry of a kind, and during which call it was made.
  struct recent
  {
    std::size_t entry = nowhere;
    std::uint64_t call = 0;
  };
  static constexpr std::size_t nowhere = detail::timeline_store::nowhere;

  static void require_times(std::string_view label, double begin, double end)
  {
    if (detail::timeline_store::is_span(begin, end)) return;
    throw usage_error("the span '" + std::string(label) + "' runs from " + std::to_string(begin) + " s to " +
                      std::to_string(end) + " s, but a span has a beginning and an end in that order");
  }

  /// The lock is held.
  [[nodiscard]] bool is_at(const recent& last, double at) const noexcept
  {
    return last.entry != nowhere && is_exactly(kept_.entry(last.entry).begin, at);
  }

  void mark(mark_kind kind, arguments all) noexcept
  {
    const std::lock_guard lock(mutex_);
    const double at = now();
    recent& last = recent_marks_[static_cast<std::size_t>(kind)];
    const bool of_this_call = last.entry != nowhere && in_call_ && last.call == calls_;
    if (is_trace_time(at) && (of_this_call || is_at(last, at))) kept_.entry(last.entry).take_in(all);
    else last.entry = kept_.add({shape::mark, cache_row, category_of(kind), name_of(kind), 1}, at, at, all);
    last.call = in_call_ ? calls_ : 0;
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

  [[nodiscard]] static std::function<double()> steady_seconds()
  {
    const auto start = std::chrono::steady_clock::now();
    return [start] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  }

  mutable std::mutex mutex_;
  std::function<double()> clock_ = steady_seconds();
  double call_began_ = 0;
  bool in_call_ = false;
  std::uint64_t calls_ = 0;
  detail::timeline_store kept_{default_most_events};
  std::array<recent, detail::timeline_marks> recent_marks_{};
  std::array<recent, static_cast<std::size_t>(call_name::clean) + 1> recent_calls_{};
};

static_assert(tracks<timeline, call_ended> && tracks<timeline, tokens_evicted> && tracks<timeline, prefetch_queued>);

}  // namespace kvstrata
