// Serves requests with one of the named caches on a described machine.
#pragma once

#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct machine_load
{
  double rate = 0;  ///< requests a second; 0: a closed loop
  std::uint32_t batch = 8;
  std::uint32_t event_tokens = 2;
  std::uint32_t longest = 40'960;
  std::uint64_t requests = 20'000;
  std::uint64_t warm_up = 0;
  double device_gib = 0;  ///< 0: the machine's
  double host_gib = 0;
};

/// Throws kvstrata::config_error naming the option.
void check(const machine_load& load);

/// The requests of a trace of users, their times stretched to the load's rate. Throws kvstrata::error for a trace that
/// tells no histories.
[[nodiscard]] std::vector<kvstrata::arrival> read_arrivals(kvstrata::any_source& source, const machine_load& load);

struct machine_result
{
  kvstrata::serving_report report;
  std::vector<std::string_view> levels;  ///< of the cache, from the slab down
  std::vector<std::string> warnings;     ///< of its configuration
};

struct machine_cache
{
  std::string_view name;
  machine_result (*serve)(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                          const machine_load& load);
};
[[nodiscard]] std::span<const machine_cache> machine_caches();

}  // namespace sim
