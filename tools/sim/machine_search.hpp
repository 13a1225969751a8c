// How many boxes, with how much memory, keep a target: searched with simulate/fleet_simulator.hpp on a day of sessions.
#pragma once

#include <kvstrata/simulate/fleet_report.hpp>
#include <kvstrata/simulate/mean_interval.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct search_options
{
  std::string target;  ///< of the 99th percentile in the worst hour of the day: 50ms
  double rate = 0;     ///< requests a second, on average over the day, of all users
  std::uint64_t users = 0;
  double session_requests = 8;  ///< on average
  double gap_seconds = 30;      ///< between requests of a session, on average
  double history_scale = 1;
  std::uint32_t event_tokens = 2;
  std::uint32_t longest = 40'960;
  std::vector<double> host_gib{256, 512, 1024, 2048, 4096};  ///< of a box
  std::uint32_t gpus = 8;                                    ///< of a box
  std::uint32_t gpus_a_link = 1;
  std::uint32_t most_boxes = 64;
  std::string routing = "hash";
  std::string slab_policy = "lru";
  std::string arena_policy = "lru";
  std::uint32_t batch = 1;
  std::uint32_t seeds = 3;
  std::uint64_t seed = 1;
  std::uint32_t threads = 0;

  [[nodiscard]] double target_seconds() const;
  [[nodiscard]] double requests_a_day() const { return rate * 86400 / static_cast<double>(users); }
};

/// Throws kvstrata::config_error naming the option.
void check(const search_options& o);

/// So many boxes with so much memory, over all seeds.
struct search_point
{
  double host_gib = 0;  ///< of a box
  std::uint32_t boxes = 0;
  bool kept = false;                    ///< the target
  std::size_t saturated = 0;            ///< of the seeds
  std::uint64_t requests = 0;           ///< simulated, of all seeds
  kvstrata::mean_interval p99{};        ///< of the worst hour, s
  kvstrata::mean_interval mean{};       ///< of the day, s
  kvstrata::mean_interval hits{};       ///< of all users' requests, those of whom something was there, a second
  kvstrata::mean_interval hit_share{};  ///< of tokens
  kvstrata::mean_interval busy{};       ///< of the GPUs' time in the worst hour

  [[nodiscard]] double host_tib() const { return host_gib * boxes / 1024; }  ///< of all boxes
};

struct search_result
{
  std::vector<search_point> least;  ///< [host_gib] the fewest boxes that keep the target; kept is false where none do
  std::vector<search_point> curve;  ///< [host_gib] with as many boxes as the answer has
  std::optional<search_point> answer;  ///< of `least`: the fewest boxes, then the least memory; none keeps the target
};

/// One seed of a point, from an hour of the day until midnight. Throws kvstrata::config_error.
[[nodiscard]] kvstrata::fleet_report run_day(const kvstrata::machine_description& m, const search_options& o,
                                             double host_gib, std::uint32_t boxes, std::uint64_t seed,
                                             double from_hour = 0);

[[nodiscard]] search_result search(const kvstrata::machine_description& m, const search_options& o);

void print(std::ostream& out, const kvstrata::machine_description& m, const search_options& o, const search_result& r);
[[nodiscard]] std::string search_csv(const kvstrata::machine_description& m, const search_result& r);
[[nodiscard]] nlohmann::ordered_json search_json(const kvstrata::machine_description& m, const search_options& o,
                                                 const search_result& r);

}  // namespace sim
