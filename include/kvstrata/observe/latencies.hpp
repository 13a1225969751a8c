// A tracker that measures: how long calls work in the cache, and how long a device's streams stand still.
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

namespace kvstrata {

/// Every member may be called from any thread. A call is measured from when it has the cache's lock until it gives it back:
/// what it waits for the lock is not in it, nor what the device does afterwards. Costs two looks at the clock a call.
class latencies
{
 public:
  static constexpr std::size_t call_names = static_cast<std::size_t>(call_name::clean) + 1;

  struct snapshot
  {
    std::array<log2_histogram, call_names> calls{};  ///< [number of the call_name]
    log2_histogram stalls{};                         ///< one a stall of a stream
    std::uint64_t left_out = 0;                      ///< calls whose time the clock did not know
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

  mutable std::mutex mutex_;
  std::function<double()> clock_ = steady_seconds;
  double began_ = std::numeric_limits<double>::quiet_NaN();
  snapshot now_;
};

static_assert(tracks<latencies, call_ended> && !tracks<latencies, batch_prepared>);

/// Adds those of several caches, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<latencies::snapshot>> all)
{
  using s = latencies::snapshot;
  using series = std::vector<detail::metric_series<s, log2_histogram>>;
  series calls;
  for (std::size_t i = 0; i < latencies::call_names; ++i) {
    calls.push_back(
        {{{"call", std::string(name_of(static_cast<call_name>(i)))}}, [i](const s& x) { return x.calls[i]; }});
  }
  const auto histogram = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](const log2_histogram& values, const prometheus_labels& labels) {
      to.histogram(name, help, values, labels);
    });
  };
  histogram("call_microseconds", "Time that a call worked in the cache, with its lock.", calls);
  histogram("stall_microseconds", "Time that a stream with work in it stood still for another.", {{{}, &s::stalls}});
}

/// Adds those of one.
inline void write_prometheus(prometheus_writer& to, const latencies::snapshot& snapshot)
{
  const labelled<latencies::snapshot> one{{}, snapshot};
  write_prometheus(to, {&one, 1});
}

}  // namespace kvstrata
