// Cuts a trace into a part that warms the caches up and intervals that are counted.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/sweep_counts.hpp>
#include <kvstrata/simulate/trace_time.hpp>

#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct interval_options
{
  std::uint64_t warmup_requests = 0;  ///< the first so many requests fill the caches and are not counted
  std::uint64_t every_requests = 0;   ///< a new interval after so many requests; 0: no series by requests
  std::int64_t every_ms = 0;          ///< a new interval after so much of the trace's time; 0: no series by time
};

/// Throws config_error.
inline void check(const interval_options& options)
{
  if (options.every_ms < 0) {
    throw config_error("interval_options.every_ms", std::to_string(options.every_ms), "it must be at least 0");
  }
  if (options.every_ms != 0 && options.every_requests != 0) {
    throw config_error("interval_options.every_requests", options.every_requests,
                       "every_ms is given too, and a series has one of them");
  }
}

/// A stretch of the counted part of a trace. Together they are the whole of it, in order; one without requests is left
/// out.
struct trace_interval
{
  std::uint64_t first_request = 0;  ///< position in the trace
  std::int64_t begin_ms = 0;  ///< where it begins: in time, a multiple of every_ms after the first counted request
  sweep_demand asked;
};

/// Says for each request of a trace, in order, whether a new stretch begins with it.
class interval_clock
{
 public:
  explicit interval_clock(const interval_options& options) : options_(options) { check(options_); }

  /// Must be called once for each request. O(1). A request whose time lies before that of earlier ones belongs to their
  /// interval.
  bool starts(std::int64_t time_ms) noexcept
  {
    const std::uint64_t now = position_++;
    if (now < options_.warmup_requests) return now == 0;
    if (now == options_.warmup_requests) {
      begin_ms_ = time_ms;
      first_ = now;
      return true;
    }
    if (options_.every_requests != 0 && now - first_ == options_.every_requests) {
      begin_ms_ = time_ms;
      first_ = now;
      return true;
    }
    const auto every_ms = static_cast<std::uint64_t>(options_.every_ms);
    if (every_ms != 0 && time_ms >= begin_ms_ && passed_ms(begin_ms_, time_ms) >= every_ms) {
      const std::uint64_t whole_ms = passed_ms(begin_ms_, time_ms) / every_ms * every_ms;
      begin_ms_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(begin_ms_) + whole_ms);
      first_ = now;
      return true;
    }
    return false;
  }

  /// Of the stretch that the latest request belongs to.
  [[nodiscard]] bool counted() const noexcept { return position_ > options_.warmup_requests; }
  [[nodiscard]] std::uint64_t first_request() const noexcept { return first_; }
  [[nodiscard]] std::int64_t begin_ms() const noexcept { return begin_ms_; }

 private:
  interval_options options_;
  std::uint64_t position_ = 0;
  std::uint64_t first_ = 0;
  std::int64_t begin_ms_ = 0;
};

}  // namespace kvstrata
