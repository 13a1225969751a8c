// What is asked of a fleet of boxes, and what came of it (simulate/fleet_simulator.hpp).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/simulate/latency_histogram.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/serving_report.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A box: GPUs that share pinned memory, and each so many of them a link.
struct fleet_config
{
  machine_description machine;  ///< device_bytes: of each GPU; host_bytes: of each box
  std::uint32_t boxes = 1;
  std::uint32_t gpus = 8;         ///< of a box
  std::uint32_t gpus_a_link = 1;  ///< that share a link, which has the machine's figures; divides `gpus`
  std::uint32_t batch_size = 1;   ///< requests
  double report_seconds = 3600;   ///< figures are kept by stretches of this length
};

/// Throws config_error.
inline void check(const fleet_config& c)
{
  check(c.machine);
  const auto within = [](const char* field, std::uint64_t value, std::uint64_t most) {
    if (value == 0) throw config_error(field, 0, "it must be at least 1");
    if (value > most) throw config_error(field, value, "it may be at most " + std::to_string(most));
  };
  within("fleet_config.boxes", c.boxes, 4096);
  within("fleet_config.gpus", c.gpus, 64);
  within("fleet_config.gpus_a_link", c.gpus_a_link, c.gpus);
  if (c.gpus % c.gpus_a_link != 0) {
    throw config_error("fleet_config.gpus_a_link", c.gpus_a_link,
                       "it must divide the " + std::to_string(c.gpus) + " GPUs of a box");
  }
  within("fleet_config.batch_size", c.batch_size, 4096);
  if (!(c.report_seconds > 0)) {
    throw config_error("fleet_config.report_seconds", std::to_string(c.report_seconds), "it must be more than 0");
  }
}

/// Of the requests that came in one stretch of time.
struct fleet_stretch
{
  latency_histogram latency;
  std::uint64_t hits = 0;  ///< requests of whose user a tier had anything
  std::uint64_t slab_tokens = 0;
  std::uint64_t arena_tokens = 0;
  std::uint64_t computed_tokens = 0;
  std::uint64_t recomputed_tokens = 0;  ///< of the computed: the arena had them
  double busy_seconds = 0;              ///< of GPUs
  double stalled_seconds = 0;           ///< of these, the model stood still for copies

  fleet_stretch& operator+=(const fleet_stretch& other) noexcept
  {
    latency += other.latency;
    hits += other.hits;
    slab_tokens += other.slab_tokens;
    arena_tokens += other.arena_tokens;
    computed_tokens += other.computed_tokens;
    recomputed_tokens += other.recomputed_tokens;
    busy_seconds += other.busy_seconds;
    stalled_seconds += other.stalled_seconds;
    return *this;
  }

  [[nodiscard]] std::uint64_t tokens() const noexcept { return slab_tokens + arena_tokens + computed_tokens; }
  /// The share of tokens that were served, from either tier.
  [[nodiscard]] double hit_share() const noexcept
  {
    return tokens() == 0 ? 0 : static_cast<double>(slab_tokens + arena_tokens) / static_cast<double>(tokens());
  }
};

/// Where an answer came from, for observers.
struct fleet_answer
{
  request asked{};
  std::size_t gpu = 0;
  double arrived = 0;
  double began = 0;
  double ended = 0;
};

struct no_fleet_observer
{
  constexpr void operator()(const fleet_answer&) const noexcept {}
};

struct fleet_report
{
  std::vector<fleet_stretch> stretches;  ///< by the requests' arrival, from second 0 on
  std::uint64_t requests = 0;
  std::uint64_t unserved = 0;   ///< larger than a slab: computed beside the cache
  double arriving_seconds = 0;  ///< from the first request to the last
  double drain_seconds = 0;     ///< from then until all were answered
  double longest_seconds = 0;   ///< of a batch
  double written_seconds = 0;   ///< what all writes take on the links from the devices, one after the other
  std::uint32_t links = 0;

  [[nodiscard]] fleet_stretch total() const
  {
    fleet_stretch sum;
    for (const fleet_stretch& one : stretches) sum += one;
    return sum;
  }
  /// The highest of the stretches' percentiles: that of the worst hour.
  [[nodiscard]] double worst_percentile(double share) const
  {
    double worst = 0;
    for (const fleet_stretch& one : stretches) worst = (std::max)(worst, one.latency.percentile(share));
    return worst;
  }
  /// Requests come faster than they are served, or writes faster than the links take them.
  [[nodiscard]] bool saturated() const noexcept
  {
    return queue_grew(arriving_seconds, drain_seconds, longest_seconds) || written_seconds > links * arriving_seconds;
  }
};

}  // namespace kvstrata
