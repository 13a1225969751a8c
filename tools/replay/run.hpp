// The whole replay: workload, model, calibration, all cases over the same requests, capacity curves, verification.
#pragma once

#include "replay/options.hpp"
#include "replay/progress.hpp"
#include "replay/results.hpp"

namespace replay {

/// Runs what the options ask for, and writes the timeline where they name a file for it. Throws kvstrata::error with
/// a sentence when it cannot.
[[nodiscard]] results run(const options& o, progress& shown);

}  // namespace replay
