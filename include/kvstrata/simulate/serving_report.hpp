// What is asked of a machine, and what came of it (simulate/serving_simulator.hpp).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/simulate/part_counts.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A request and when it comes, in seconds from the beginning; ascending.
struct arrival
{
  double seconds = 0;
  request asked{};
};

enum class serving_load : std::uint8_t { closed_loop, open_loop };

struct serving_options
{
  serving_load load = serving_load::closed_loop;  ///< a closed loop looks at no arrival's time
  std::uint32_t batch_size = 8;                   ///< requests; those of one user share the answer of the longest
  std::uint64_t warm_up = 0;                      ///< the first so many requests are served, but not reported
  std::uint32_t prefetch =
      0;  ///< what the levels below the slab have of so many that wait behind a batch is brought up
};

/// Throws config_error.
inline void check(const serving_options& options)
{
  if (options.batch_size == 0) throw config_error("serving_options.batch_size", 0, "it must be at least 1");
}

/// The value that `share` of the samples do not exceed: the nearest rank. 0 without samples. O(samples), on a copy.
[[nodiscard]] inline double nearest_rank(std::span<const double> samples, double share)
{
  if (samples.empty()) return 0;
  std::vector<double> ordered(samples.begin(), samples.end());
  const double rank = std::ceil(share * static_cast<double>(ordered.size()));
  const std::size_t at = rank < 1 ? 0 : (std::min)(static_cast<std::size_t>(rank), ordered.size()) - 1;
  const auto found = ordered.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(ordered.begin(), found, ordered.end());
  return *found;
}

/// Whether a queue grew: when the last request had come, those that waited took more than 1 % of the time over which all
/// came, and longer than four of the longest batches. The first says that fewer are served than come; the second, that it
/// is more than the last batches' own time, which is a large share of a short run.
[[nodiscard]] constexpr bool queue_grew(double arriving_seconds, double drain_seconds, double longest_batch_seconds)
{
  return drain_seconds > 0.01 * arriving_seconds && drain_seconds > 4 * longest_batch_seconds;
}

/// Of the requests after the warm-up. Seconds are virtual.
struct serving_report
{
  std::uint32_t streams = 1;  ///< that computed
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t merged = 0;     ///< of the requests: shared the answer of another of their user in their batch
  std::uint64_t unserved = 0;   ///< larger than the slab: computed beside the cache
  double seconds = 0;           ///< from the first one's batch until all were answered
  double busy_seconds = 0;      ///< of these, batches were served; of all streams together
  double stalled_seconds = 0;   ///< of these, the model stood still for copies; of all streams
  double arriving_seconds = 0;  ///< open loop: from the first one's batch until the last request came
  double drain_seconds = 0;     ///< open loop: from then until all were answered
  double longest_seconds = 0;   ///< of a batch
  by_level<std::uint64_t> served_tokens{};  ///< [level] that they came from
  std::uint64_t computed_tokens = 0;        ///< of histories and parts, but for scratch
  std::uint64_t recomputed_tokens = 0;      ///< of the computed: a level had them, but computing them is quicker
  std::uint64_t dropped_tokens = 0;         ///< lost by eviction
  part_counts parts{};                      ///< the same tokens by the mode of their part, and those of scratch
  std::uint64_t onload_bytes = 0;
  std::uint64_t offload_bytes = 0;
  std::vector<double> latencies;  ///< by request, as they came; from arrival (closed loop: its batch's turn) to answer

  /// The latency that `share` of the requests do not exceed: the nearest rank. 0 without requests. O(requests).
  [[nodiscard]] double percentile(double share) const { return nearest_rank(latencies, share); }
  [[nodiscard]] double mean_latency() const
  {
    double sum = 0;
    for (const double latency : latencies) sum += latency;
    return latencies.empty() ? 0 : sum / static_cast<double>(latencies.size());
  }
  [[nodiscard]] double requests_per_second() const noexcept
  {
    return seconds > 0 ? static_cast<double>(requests) / seconds : 0;
  }
  /// Open loop: requests come faster than they are served. Latencies then say how long the run was, and nothing else.
  [[nodiscard]] bool saturated() const noexcept { return queue_grew(arriving_seconds, drain_seconds, longest_seconds); }
};

}  // namespace kvstrata
