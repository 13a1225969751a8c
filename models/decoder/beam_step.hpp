// One step of beams: what passes over them are told, on the CPU and on a device.
#pragma once

#include "decoder/config.hpp"
#include "decoder/prompt_views.hpp"

#include <kvstrata/layout/page_table_view.hpp>

#include <cstdint>
#include <span>

namespace decoder {

/// One step of a batch. Its rows are the beams of request 0, then those of request 1, and so on.
struct beam_step
{
  std::uint32_t step = 0;                 ///< 0: the start token; s: the token of level s - 1
  std::span<const std::uint32_t> widths;  ///< [requests] beams now; 0: a request that is done
  std::span<const std::uint32_t> tokens;  ///< [rows] the beams' newest tokens; unused at step 0
  std::span<const std::uint32_t>
      own_rows;  ///< [rows][step + 1] where in scratch the tokens of each beam's line lie, by step;
                 ///< the last is written now
};

/// Request r of all views is request r of the step; their pages must be of `shape`. Throws kvstrata::geometry_error where they are of
/// another, kvstrata::usage_error where the step contradicts itself or the views.
void check(const config& c, const kvstrata::geometry& shape, const beam_step& step, const prompt_views& prompts,
           const kvstrata::page_table_view& scratch);

}  // namespace decoder
