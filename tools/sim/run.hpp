// Runs what the options ask for.
#pragma once

#include "sim/options.hpp"
#include "sim/results.hpp"

#include "replay/progress.hpp"

namespace sim {

/// Throws kvstrata::data_error for a broken trace and kvstrata::config_error for what only a look at a trace shows to
/// be wrong.
[[nodiscard]] results run(const options& o, replay::progress& shown);

}  // namespace sim
