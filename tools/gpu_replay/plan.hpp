// What a run would serve, and from where, told by simulation: without a model, without a GPU.
#pragma once

#include "gpu_replay/options.hpp"
#include "replay/sizes.hpp"
#include "replay/statistics.hpp"
#include "replay/workload.hpp"

#include <string>
#include <vector>

namespace gpu_replay {

/// Where every batch's tokens come from, in virtual time and without data. Throws kvstrata::config_error for a case other
/// than device, mtserve and default.
[[nodiscard]] std::vector<replay::token_split> simulate(const std::string& key, const replay::workload& w,
                                                        const replay::cache_sizes& s);

/// The plan of a run: its requests, memory, operations and, case by case, tokens by tier.
[[nodiscard]] std::string plan_text(const options& o);

}  // namespace gpu_replay
