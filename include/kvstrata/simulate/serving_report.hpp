// What is asked of a machine, and what came of it (simulate/serving_simulator.hpp).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata {

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
};

/// Throws config_error.
inline void check(const serving_options& options)
{
  if (options.batch_size == 0) throw config_error("serving_options.batch_size", 0, "it must be at least 1");
}

/// Of the requests after the warm-up. Seconds are virtual.
struct serving_report
{
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t merged = 0;    ///< of the requests: shared the answer of another of their user in their batch
  std::uint64_t unserved = 0;  ///< larger than the slab: computed beside the cache
  double seconds = 0;          ///< from the first one's batch until all were answered
  double busy_seconds = 0;     ///< of these, batches were served
  double stalled_seconds = 0;  ///< of these, the model stood still for copies
  by_level<std::uint64_t> served_tokens{};  ///< [level] that they came from
  std::uint64_t computed_tokens = 0;
  std::uint64_t recomputed_tokens = 0;  ///< of the computed: a level had them, but computing them is quicker
  std::uint64_t dropped_tokens = 0;     ///< lost by eviction
  std::uint64_t onload_bytes = 0;
  std::uint64_t offload_bytes = 0;
  std::vector<double> latencies;  ///< ascending; from a request's arrival (closed loop: its batch's turn) to the answer

  /// The latency that `share` of the requests do not exceed: the nearest rank. 0 without requests.
  [[nodiscard]] double percentile(double share) const
  {
    if (latencies.empty()) return 0;
    const double rank = std::ceil(share * static_cast<double>(latencies.size()));
    return latencies[rank < 1 ? 0 : (std::min)(static_cast<std::size_t>(rank), latencies.size()) - 1];
  }
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
};

}  // namespace kvstrata
