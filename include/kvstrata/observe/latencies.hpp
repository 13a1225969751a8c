// A tracker that measures: how long calls wait for the cache's lock and work in it, how long leases are out, and how
// long a device's streams stand still.
//
//   cache.tracker().use_clock([&device] { return device.now(); });
//   ...
//   cache.tracker().add_stalls(device.trace());
//   write_prometheus(to, cache.tracker().read());
//
// Microseconds, by powers of two.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/log2_histogram.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>
#include <kvstrata/observe/stream_span.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Every member may be called from any thread. A call is measured from when it has the cache's lock until it gives it back:
/// what it waits for the lock is not in it, nor what the device does afterwards. A lease is measured from when its
/// prepare has the lock to its release. The wait for the lock is measured by the cache, on the steady clock, where it
/// finds it taken. Costs two looks at the clock a call, one more a release, and a search among the leases that are out.
/// For one cache: calls and leases of several would be taken for one another's.
class latencies
{
 public:
  static constexpr std::size_t call_names = static_cast<std::size_t>(call_name::clean) + 1;

  struct snapshot
  {
    std::array<log2_histogram, call_names> calls{};  ///< [number of the call_name]
    std::array<log2_histogram, call_names> locks{};  ///< the same, of those that waited for the lock: how long
    log2_histogram leases{};                         ///< from prepare to release
    log2_histogram stalls{};                         ///< one a stall of a stream
    std::uint64_t left_out = 0;  ///< calls and leases whose time the clock did not know, or there was no memory for
    friend bool operator==(const snapshot&, const snapshot&) = default;
  };

  /// Seconds. Default: the steady clock. Called under the cache's lock; it must not call the cache or this tracker. A call
  /// for which it throws, says what is no number, or runs backwards is left out. Throws usage_error for an empty function.
  void use_clock(std::function<double()> clock)
  {
    if (!clock) throw usage_error("use_clock was given an empty function");
    const std::lock_guard lock(mutex_);
    clock_ = std::move(clock);
  }

  void on(const call_began&) noexcept
  {
    const std::lock_guard lock(mutex_);
    began_ = now();
  }
  void on(const call_ended& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    const double seconds = now() - began_;
    if (is_length(seconds)) now_.calls[static_cast<std::size_t>(e.call)].add(microseconds(seconds));
    else ++now_.left_out;
  }

  void on(const lock_waited& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    now_.locks[static_cast<std::size_t>(e.call)].add((e.nanoseconds + 500) / 1000);
  }
  void on(const batch_prepared& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    try {
      out_.push_back({e.lease, began_});
    } catch (...) {
      ++now_.left_out;
    }
  }
  void on(const lease_released& e) noexcept
  {
    const std::lock_guard lock(mutex_);
    const auto mine = std::find_if(out_.begin(), out_.end(), [&](const opened& l) { return l.lease == e.lease; });
    if (mine == out_.end()) return;  // left out already
    const double seconds = now() - mine->seconds;
    out_.erase(mine);
    if (is_length(seconds)) now_.leases.add(microseconds(seconds));
    else ++now_.left_out;
  }

  /// Adds the stalls among what a device traced; a trace that is not cleared in between counts again. Throws usage_error
  /// for one of no length that a number tells; then nothing is added.
  template <std::ranges::forward_range Spans>
    requires stream_span<std::ranges::range_value_t<Spans>>
  void add_stalls(const Spans& spans)
  {
    log2_histogram added;
    for (const auto& s : spans) {
      if (name_of(s.kind) != std::string_view("wait")) continue;
      if (!is_length(s.end - s.begin)) {
        throw usage_error("the stall '" + std::string(s.label) + "' runs from " + std::to_string(s.begin) + " s to " +
                          std::to_string(s.end) + " s, but a span has a beginning and an end in that order");
      }
      added.add(microseconds(s.end - s.begin));
    }
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < log2_histogram::buckets; ++i) now_.stalls.counts[i] += added.counts[i];
    now_.stalls.sum += added.sum;
  }

  [[nodiscard]] snapshot read() const
  {
    const std::lock_guard lock(mutex_);
    return now_;
  }

 private:
  /// Not a number is none; nor is what takes longer than a century.
  [[nodiscard]] static bool is_length(double seconds) noexcept { return seconds >= 0 && seconds < 4e9; }
  [[nodiscard]] static std::uint64_t microseconds(double seconds) noexcept
  {
    return static_cast<std::uint64_t>(seconds * 1e6 + 0.5);
  }

  [[nodiscard]] double now() const noexcept
  {
    try {
      return clock_();
    } catch (...) {
      return std::numeric_limits<double>::quiet_NaN();
    }
  }

  [[nodiscard]] static double steady_seconds()
  {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  struct opened
  {
    std::uint64_t lease = 0;
    double seconds = 0;  // when its prepare began
  };

  mutable std::mutex mutex_;
  std::function<double()> clock_ = steady_seconds;
  double began_ = std::numeric_limits<double>::quiet_NaN();
  std::vector<opened> out_;
  snapshot now_;
};

static_assert(tracks<latencies, call_ended> && tracks<latencies, lock_waited> && tracks<latencies, lease_released>);
static_assert(!tracks<latencies, tokens_evicted>);

/// Adds those of several caches, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<latencies::snapshot>> all)
{
  using s = latencies::snapshot;
  using series = std::vector<detail::metric_series<s, log2_histogram>>;
  const auto by_call = [](std::array<log2_histogram, latencies::call_names> s::* what) {
    series out;
    for (std::size_t i = 0; i < latencies::call_names; ++i) {
      out.push_back({{{"call", std::string(name_of(static_cast<call_name>(i)))}},
                     [i, what](const s& x) { return (x.*what)[i]; }});
    }
    return out;
  };
  const auto histogram = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](const log2_histogram& values, const prometheus_labels& labels) {
      to.histogram(name, help, values, labels);
    });
  };
  histogram("call_microseconds", "Time that a call worked in the cache, with its lock.", by_call(&s::calls));
  histogram("lock_wait_microseconds", "Time that a call waited for the cache's lock, where it found it taken.",
            by_call(&s::locks));
  histogram("lease_microseconds", "Time from prepare to release of a lease.", {{{}, &s::leases}});
  histogram("stall_microseconds", "Time that a stream with work in it stood still for another.", {{{}, &s::stalls}});
}

/// Adds those of one.
inline void write_prometheus(prometheus_writer& to, const latencies::snapshot& snapshot)
{
  const labelled<latencies::snapshot> one{{}, snapshot};
  write_prometheus(to, {&one, 1});
}

}  // namespace kvstrata
