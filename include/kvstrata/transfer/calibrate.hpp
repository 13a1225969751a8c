// Measures, when a program starts, what a cost model needs to know of the machine it runs on.
//
//   const link_speed link = measure_link(device, copy_direction::to_device, seconds_now);
//   const compute_speed computes = fit_compute(run, lengths, shape.layers);
//   config.split.cost = cost_model::of(computes, link, shape);
//
// A clock is anything that returns seconds: std::chrono::steady_clock in a lambda, or an emulated device's now().
// Every figure comes from the medians of several trials, so that one disturbance does not show, and none is negative.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class C>
concept seconds_clock = requires(C& clock) {
  { clock() } -> std::convertible_to<double>;
};

/// Takes so many tokens, computes their KV from nothing, and says how many seconds that took.
template <class R>
concept timed_run = requires(R& run, token_count tokens) {
  { run(tokens) } -> std::convertible_to<double>;
};

/// How measure_link goes about it: trains of copies of two sizes.
struct link_trials
{
  std::size_t small_bytes = std::size_t{4} << 10;
  std::size_t large_bytes = std::size_t{8} << 20;
  std::uint32_t copies = 8;  ///< in a train: the cost of waiting for its end is shared by all
  std::uint32_t trials = 5;  ///< trains of each size
};

namespace detail {

/// The middle of the values, or the mean of the two in the middle. There must be one.
[[nodiscard]] inline double median(std::vector<double> values)
{
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

inline void check(const link_trials& t)
{
  if (t.small_bytes == 0) throw config_error("link_trials.small_bytes", t.small_bytes, "it must be at least 1");
  if (t.large_bytes <= t.small_bytes) {
    throw config_error("link_trials.large_bytes", t.large_bytes,
                       "it must be more than link_trials.small_bytes, " + std::to_string(t.small_bytes));
  }
  if (t.copies == 0) throw config_error("link_trials.copies", t.copies, "it must be at least 1");
  if (t.trials == 0) throw config_error("link_trials.trials", t.trials, "it must be at least 1");
}

}  // namespace detail

/// Times copies in one direction and blocks the host meanwhile. Needs large_bytes of device and of pinned memory for
/// the time being, and a stream, "calibration", that stays. A copy is taken to cost latency + bytes / speed; the line
/// goes through the medians of the two sizes. Throws config_error, and what the device throws.
template <device Device, seconds_clock Clock>
[[nodiscard]] link_speed measure_link(Device& d, copy_direction direction, Clock&& clock, const link_trials& how = {})
{
  detail::check(how);
  const auto above = d.allocate_device(how.large_bytes, "calibration");
  const auto below = d.allocate_pinned(how.large_bytes, "calibration");
  const stream_id stream = d.create_stream("calibration");
  const bool inwards = direction == copy_direction::to_device;
  const auto train = [&](std::size_t bytes) {
    const double begin = clock();
    try {
      for (std::uint32_t i = 0; i < how.copies; ++i) {
        d.copy(stream, direction, (inwards ? above : below).data(), (inwards ? below : above).data(), bytes);
      }
      d.wait_sync(d.record(stream));
    } catch (...) {
      try {
        d.wait_sync(d.record(stream));  // the memory goes, so what uses it must be over
      } catch (...) {                   // a failed device runs nothing any more
      }
      throw;
    }
    return (clock() - begin) / how.copies;
  };
  const auto seconds = [&](std::size_t bytes) {
    std::vector<double> trials;
    for (std::uint32_t i = 0; i < how.trials; ++i) trials.push_back(train(bytes));
    return detail::median(std::move(trials));
  };
  static_cast<void>(train(how.large_bytes));  // touches the memory
  const double brief = seconds(how.small_bytes);
  const double more = seconds(how.large_bytes) - brief;
  if (!(more > 0)) return {.latency_seconds = (std::max)(brief, 0.0)};
  const double speed = static_cast<double>(how.large_bytes - how.small_bytes) / more;
  return {.latency_seconds = (std::max)(brief - static_cast<double>(how.small_bytes) / speed, 0.0),
          .bytes_per_second = speed};
}

/// Runs every length `trials` times (and the first once more, to warm up) and fits seconds = a L + b L (L + 1) / 2 to
/// the medians, for one of `layers` layers that a run computes. Least squares of the time a token, which is a straight
/// line in L: every length weighs the same. Where the best fit has a negative figure, that figure is 0 and the other is
/// fitted alone. Lengths should be long enough that launching kernels does not count. Throws config_error.
template <timed_run Run>
[[nodiscard]] compute_speed fit_compute(Run&& run, std::span<const token_count> lengths, std::uint32_t layers = 1,
                                        std::uint32_t trials = 3)
{
  if (layers == 0) throw config_error("fit_compute's layers", layers, "it must be at least 1");
  if (trials == 0) throw config_error("fit_compute's trials", trials, "it must be at least 1");
  const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
  if (lengths.empty() || *shortest == *longest) {
    throw config_error("fit_compute's list of lengths", lengths.size(), "it must have at least two different lengths");
  }
  if (*shortest == 0) throw config_error("a length given to fit_compute", *shortest, "it must be at least 1 token");
  static_cast<void>(run(lengths.front()));
  const auto timed = [&](token_count tokens) {
    std::vector<double> seconds;
    for (std::uint32_t i = 0; i < trials; ++i) {
      seconds.push_back(static_cast<double>(run(tokens)));
      if (seconds.back() >= 0 && std::isfinite(seconds.back())) continue;
      throw config_error("what a run of " + std::to_string(tokens) + " tokens took", std::to_string(seconds.back()),
                         "it must be a finite number of seconds, at least 0");
    }
    return detail::median(std::move(seconds)) / layers;
  };
  const auto count = static_cast<double>(lengths.size());
  double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for (const token_count tokens : lengths) {
    const double x = (tokens + 1.0) / 2;  // what a token attends to, on average
    const double y = timed(tokens) / tokens;
    sum_x += x;
    sum_y += y;
    sum_xx += x * x;
    sum_xy += x * y;
  }
  const double slope = (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x * sum_x);
  const double start = (sum_y - slope * sum_x) / count;
  if (slope < 0) return {.seconds_per_token = sum_y / count};
  if (start < 0) return {.seconds_per_pair = sum_xy / sum_xx};
  return {.seconds_per_token = start, .seconds_per_pair = slope};
}

}  // namespace kvstrata
