#include "decoder/beam_step.hpp"

#include <kvstrata/core/error.hpp>

#include <numeric>
#include <string>

namespace decoder {

void check(const config& c, const kvstrata::geometry& shape, const beam_step& step, const prompt_views& prompts,
           const kvstrata::page_table_view& scratch)
{
  const auto fits = [&](const kvstrata::page_table_view& view, const std::string& whose) {
    if (view.shape != shape) {
      throw kvstrata::geometry_error("the " + whose + " pages are of " + to_string(view.shape) +
                                     ", but the decoder is of " + to_string(shape));
    }
    if (view.size() != step.widths.size()) {
      throw kvstrata::usage_error("a step has beams of " + std::to_string(step.widths.size()) + " requests, but the " +
                                  whose + " pages are of " + std::to_string(view.size()));
    }
  };
  if (prompts.parts().empty()) throw kvstrata::usage_error("a step has no prompts, not even empty ones");
  for (const kvstrata::page_table_view& part : prompts.parts()) fits(part, "prompts'");
  fits(scratch, "scratch");
  const std::uint32_t depth = depth_of(c);
  if (step.step >= depth) {
    throw kvstrata::usage_error("there is no step " + std::to_string(step.step) + ": items have " +
                                std::to_string(depth) + " tokens");
  }
  const std::size_t rows = std::accumulate(step.widths.begin(), step.widths.end(), std::size_t{0});
  if (step.step != 0 && step.tokens.size() != rows) {
    throw kvstrata::usage_error(std::to_string(rows) + " beams have " + std::to_string(step.tokens.size()) + " tokens");
  }
  const std::size_t own = step.step + std::size_t{1};
  if (step.own_rows.size() != rows * own) {
    throw kvstrata::usage_error(std::to_string(rows) + " beams of " + std::to_string(own) + " tokens have " +
                                std::to_string(step.own_rows.size()) + " rows of scratch");
  }
  for (std::size_t i = 0; step.step != 0 && i < rows; ++i) {
    const std::uint32_t codebook = c.codebooks[step.step - 1];
    if (step.tokens[i] < codebook) continue;
    throw kvstrata::usage_error("the token of beam " + std::to_string(i) + " is " + std::to_string(step.tokens[i]) +
                                ", but its codebook has " + std::to_string(codebook));
  }
  std::size_t at = 0;
  for (std::size_t r = 0; r < step.widths.size(); ++r) {
    for (const std::size_t end = at + step.widths[r] * own; at < end; ++at) {
      if (step.own_rows[at] < scratch.tokens(r)) continue;
      throw kvstrata::usage_error("row " + std::to_string(step.own_rows[at]) + " is beyond the scratch of request " +
                                  std::to_string(r) + ", which has " + std::to_string(scratch.tokens(r)));
    }
  }
}

}  // namespace decoder
