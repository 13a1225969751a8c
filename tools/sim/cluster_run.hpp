// What kvstrata-sim cluster asks and answers. A simulation: no figure of it was measured on a cluster.
#pragma once

#include "command_line/named_router.hpp"

#include <kvstrata/simulate/catalogue.hpp>
#include <kvstrata/simulate/cluster_report.hpp>
#include <kvstrata/simulate/machine.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sim {

struct cluster_question
{
  kvstrata::machine_description machine;
  kvstrata::catalogue_config items;
  std::vector<std::uint32_t> nodes{40};
  std::vector<std::string> routers{"affinity"};
  std::vector<std::string> placements{"stratified"};
  std::vector<std::uint32_t> copies{2};  ///< of items that are not everywhere
  std::vector<double> recompute{0.3};
  std::vector<double> loads{0.2, 0.4, 0.6, 0.8, 0.9};  ///< shares of what as many prefix caches bear
  tools::router_weights weights{};
  double full_load = 4;
  double hot_share = 0.001;
  double slack = 0.05;
  bool replicate_users = true;
  std::uint64_t learned = 50'000;   ///< requests of the past that placements are made from
  std::uint64_t requests = 10'000;  ///< of each run, behind as many as a fifth that warm up
  std::uint64_t seed = 1;
};

/// Throws kvstrata::config_error naming the option.
void check(const cluster_question& asked);

struct cluster_point
{
  double load = 0;  ///< share of what as many prefix caches bear
  double requests_per_second = 0;
  kvstrata::cluster_report report{};
};

struct cluster_curve
{
  std::uint32_t nodes = 0;
  /// The yardstick: no placement, nothing recomputed by choice, and the router that serves it best: to who is done first.
  bool is_prefix_cache = false;
  double recompute = 0;
  std::string router{};
  std::string placement{};
  std::uint32_t copies = 1;
  std::vector<cluster_point> points{};  ///< [loads]

  [[nodiscard]] std::string name() const;  ///< without the nodes
};

struct cluster_answer
{
  std::vector<cluster_curve> curves;  ///< by nodes; of each first the yardstick
  std::vector<std::string> notes;     ///< sentences on placements
};

/// The node of RcLLM's paper, as tools/sim/machines/a100_qwen3_8b.machine says it.
[[nodiscard]] kvstrata::machine_description usual_node();

/// Names that --placement takes.
[[nodiscard]] const std::vector<std::string>& placement_names();

/// Runs everything. `told` is called before each curve. Throws kvstrata::config_error.
[[nodiscard]] cluster_answer answer(const cluster_question& asked,
                                    const std::function<void(const std::string&)>& told = {});

}  // namespace sim
