// A grid of runs: machines, caches, policies, memory, batches and rates, each with several seeds.
#pragma once

#include "sim/machine_run.hpp"
#include "sim/traces.hpp"

#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/mean_interval.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sim {

/// Lists: every combination is run.
struct machine_lists
{
  std::vector<std::string> caches{"device_only", "mtserve", "default"};
  std::vector<std::string> slab_policies{"lru"};
  std::vector<std::string> arena_policies{"lru"};
  std::vector<double> device_gib{0};
  std::vector<double> host_gib{0};
  std::vector<std::uint32_t> batch{8};
  std::vector<double> rate{0};
  std::vector<std::uint32_t> streams{1};
  std::vector<std::string> codecs{"identity"};  ///< of the arena of default
  std::vector<std::string> codes{"direct"};     ///< how they travel
  bool int4 = false;                            ///< it may be named
  double exact_share = 0;                       ///< of requests, with a codec that is lossy
  double raw_share = default_raw_share;         ///< of an arena that keeps codes
  std::uint32_t seeds = 1;  ///< of the synthetic workload: its seed, and so many less one that follow
};

/// Every combination once; a cache without a tier, or whose policy is given, has no choice of them. Throws
/// kvstrata::config_error naming the option.
[[nodiscard]] std::vector<machine_point> points_of(const machine_lists& lists);

/// One point of one machine and trace, over all seeds.
struct machine_cell
{
  std::string trace;
  const kvstrata::machine_description* machine = nullptr;
  machine_point point;
  std::vector<machine_result> runs;  ///< [seeds]

  /// Of a figure of each run.
  [[nodiscard]] kvstrata::mean_interval of(const std::function<double(const kvstrata::serving_report&)>& figure) const;
  /// Of a count, over all runs.
  [[nodiscard]] std::uint64_t sum(const std::function<std::uint64_t(const kvstrata::serving_report&)>& count) const;
  /// Of all runs.
  [[nodiscard]] kvstrata::part_counts parts() const;
  /// How many of the runs are.
  [[nodiscard]] std::size_t saturated() const;
};

struct machine_grid
{
  std::vector<kvstrata::machine_description> machines;
  std::vector<machine_point> points;
  std::uint32_t seeds = 1;
  std::uint32_t threads = 0;  ///< 0: one for each core
  bool rows = false;          ///< whether a CSV of requests is made
};

/// Runs the grid on one trace. begin(requests, notes) is called once they are read, done(cell) for each cell in the grid's order as
/// soon as it and those in front of it are done, on the calling thread. Throws what the runs throw.
void run_grid(const machine_grid& grid, const named_trace& trace, const trace_arguments& arguments,
              const machine_load& load, const std::function<void(std::size_t, const kvstrata::trace_notes&)>& begin,
              const std::function<void(machine_cell&)>& done);

}  // namespace sim
