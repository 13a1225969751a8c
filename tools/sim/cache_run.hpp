// What kvstrata-sim cache runs: the cache itself, without data and without time, and what each level served.
#pragma once

#include "sim/machine_run.hpp"

#include <kvstrata/simulate/mean_interval.hpp>
#include <kvstrata/simulate/simulation_counts.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sim {

struct cache_lists
{
  std::vector<std::string> policies{"lru", "s3_fifo", "locality"};  ///< of both tiers
  std::vector<std::string> codecs{"identity"};                      ///< of the arena
  std::vector<double> device_gib{0};                                ///< 0: the machine's
  std::vector<double> host_gib{0};
  bool int4 = false;                     ///< it may be named
  double raw_share = default_raw_share;  ///< of an arena that keeps codes
  std::uint32_t batch = 8;
  std::uint32_t seeds = 1;  ///< of the synthetic workload
};

/// One combination.
struct cache_point
{
  std::string policy = "lru";
  std::string codec = "identity";
  double device_gib = 0;
  double host_gib = 0;
};

/// Every combination once, codecs beside each other. Throws kvstrata::config_error naming the option.
[[nodiscard]] std::vector<cache_point> points_of(const cache_lists& lists);

struct cache_result
{
  kvstrata::simulation_counts counts;
  std::uint64_t raw_capacity_bytes = 0;  ///< of the arena's bytes, for pages as they are
  std::uint64_t raw_bytes = 0;           ///< of these, at the end, taken
  std::uint64_t arena_tokens = 0;        ///< that the arena held at the end
};

/// Serves the requests, in batches, from a cache of that point. `load`: how many of them are warm-up.
[[nodiscard]] cache_result count(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                                 const machine_load& load, const cache_lists& lists, const cache_point& point);

/// A point over all seeds.
struct cache_cell
{
  cache_point point;
  std::vector<cache_result> runs;  ///< [seeds]

  /// Of all runs.
  [[nodiscard]] kvstrata::part_counts parts() const;
  /// Of a figure of each run.
  [[nodiscard]] kvstrata::mean_interval of(const std::function<double(const cache_result&)>& figure) const;
};

}  // namespace sim
