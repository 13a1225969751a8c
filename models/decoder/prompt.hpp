// A history to be computed: what passes over prompts are told, on the CPU and on a device.
#pragma once

#include "decoder/config.hpp"
#include "decoder/prompt_views.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstdint>
#include <span>

namespace decoder {

/// One user's part of a batch. Tokens are semantic IDs, item after item; the token at position p belongs to level p % depth. Positions are
/// counted from the beginning of the history, or of what stands in front of it.
struct prompt
{
  std::span<const std::uint32_t> tokens;              ///< [history - first_token] of the window
  kvstrata::token_count history = 0;                  ///< tokens of the history, those before the window included
  std::span<const kvstrata::token_interval> compute;  ///< ascending, disjoint, in the window: tokens not yet in pages
  kvstrata::token_count first_token = 0;              ///< all attend to [first_token, history) only
};

/// Prompt r owns request r of the view; in front of it are `fronts`, whose request r it only reads. All pages must be of `shape`.
/// Throws kvstrata::geometry_error when they are of another, kvstrata::history_error when a prompt contradicts itself or the views, or has
/// a token outside its codebook.
void check(const config& c, const kvstrata::geometry& shape, std::span<const prompt> prompts,
           const kvstrata::page_table_view& view, const prompt_views& fronts);

}  // namespace decoder
