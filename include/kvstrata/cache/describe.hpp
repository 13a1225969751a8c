// What a replacement policy is told of a user's copy in one tier.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>

namespace kvstrata {

/// A use of an entry, as the request tells of it.
struct entry_use
{
  std::int64_t time_ms = 0;
  reuse_hint hint{};
};

/// What the tiers of a cache have in common when they describe copies.
struct describer
{
  cost_model costs{};             ///< zero: recomputing and fetching cost nothing
  std::uint64_t token_bytes = 0;  ///< of all layers
  std::int64_t latest_ms = 0;     ///< time of the latest request

  /// `mine`: what the tier has; `elsewhere`: what the other tier has; `fetchable`: the other tier is the one below.
  template <class Entry>
  [[nodiscard]] object_info operator()(const Entry& e, std::uint64_t bytes, token_interval mine,
                                       token_interval elsewhere, bool fetchable,
                                       const reuse_hint& hint = {}) const noexcept
  {
    const token_count clean = intersect(mine, elsewhere).size();
    const double layers = costs.layers;
    return {.user = e.user,
            .bytes = bytes,
            .tokens = mine.size(),
            .dirty_tokens = mine.size() - clean,
            .dirty_bytes = (mine.size() - clean) * token_bytes,
            .time_ms = latest_ms,
            .recompute_seconds = layers * costs.compute_seconds(mine, e.first_token),
            .fetch_seconds = fetchable && clean != 0 ? layers * costs.fetch_seconds(clean) : 0,
            .held = e.holds != 0,
            .hint = hint};
  }
};

}  // namespace kvstrata
