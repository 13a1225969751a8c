// The whole run: workload, model, all cases over the same batches, verification.
#pragma once

#include "replay/decoder/results.hpp"
#include "replay/progress.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace replay {

/// Seconds of this machine's clock.
[[nodiscard]] double wall_seconds();

struct decoder_serving
{
  const decoder_context& context;
  const decoder_options& how;
  std::span<const decoder_case> cases;
  std::size_t warm =
      0;  ///< so many batches fill caches first; who has none does not serve them, and nothing of them is reported
          ///< but in counts
  std::function<double()> clock = wall_seconds;
};

/// Serves all batches in the cases, which take turns batch by batch. `found(case, batch, items)` is told every answer.
[[nodiscard]] std::vector<decoder_case_result> serve_decoder(
    const decoder_serving& what,
    const std::function<void(std::size_t number, std::size_t batch, const found_items& found)>& found);

/// Runs what the options ask for. Throws kvstrata::error with a sentence when it cannot.
[[nodiscard]] decoder_results run_decoder(const decoder_options& o, progress& shown);

}  // namespace replay
