// The whole run: prompts, model, all cases over the same prompts, and what they are compared with.
#pragma once

#include "replay/decoder/blocks/results.hpp"
#include "replay/progress.hpp"

#include <functional>

namespace replay {

/// Serves all prompts in the cases that are asked for, which take turns prompt by prompt. `clock`: seconds. Throws kvstrata::error
/// with a sentence when it cannot.
[[nodiscard]] block_results run_blocks(const block_options& o, progress& shown, const std::function<double()>& clock);

}  // namespace replay
