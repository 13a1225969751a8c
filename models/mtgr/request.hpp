// What a pass is asked: a user's parts, what of them is to be computed, and candidates.
#pragma once

#include "mtgr/config.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace mtgr {

/// One user's part of a batch. Part 0 is U and then S, part 1 is R. The spans are read until batch_forward::embed() has run;
/// compute lists and times only by the constructor.
struct request
{
  kvstrata::token_count static_tokens = 0;                   ///< of U and S together: at least user_tokens
  std::span<const kvstrata::token_interval> static_compute;  ///< all of [0, static_tokens), or nothing
  std::span<const float> user;      ///< [user_tokens][user_features]; where part 0 is computed, else unused
  std::span<const float> sequence;  ///< [static_tokens - user_tokens][item_features]; likewise

  kvstrata::token_count recent_tokens = 0;
  std::span<const kvstrata::token_interval> recent_compute;  ///< ascending, disjoint, in [0, recent_tokens)
  std::span<const float> recent;               ///< [tokens to compute][item_features], in the order of recent_compute
  std::span<const std::int64_t> recent_times;  ///< [recent_tokens] seconds, not descending: when each happened

  std::span<const float> candidates;              ///< [candidates][cross_features + item_features]
  std::span<const std::int64_t> candidate_times;  ///< [candidates] seconds: each sees what of R happened earlier
};

/// Where K and V of the parts of a batch lie, a page table each; request r owns request r of all. Their pages are of one size
/// and one memory: base, placement, geometry and page size are equal.
struct part_views
{
  kvstrata::page_table_view statics;
  kvstrata::page_table_view recents;
  /// Scratch: written and read by this pass alone. Without it, and on a GPU, candidates' are in the pass's own memory.
  std::optional<kvstrata::page_table_view> candidates{};
};

}  // namespace mtgr
