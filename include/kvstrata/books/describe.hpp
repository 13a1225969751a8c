// What a replacement policy is told of a user's copy in one tier.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What the tiers of a cache have in common when they describe copies.
struct describer
{
  cost_model costs{};             ///< zero: recomputing and fetching cost nothing
  std::uint64_t token_bytes = 0;  ///< of all layers
  std::int64_t latest_ms = 0;     ///< time of the latest request

  /// What of a copy a replacement policy asks for.
  struct question
  {
    std::uint64_t bytes = 0;    ///< that the copy takes
    token_interval mine;        ///< what the tier has
    token_count clean = 0;      ///< of these, how many another tier has
    token_count fetchable = 0;  ///< of these, how many a tier below has
  };

  template <class Entry>
  [[nodiscard]] object_info operator()(const Entry& e, const question& q, const reuse_hint& hint = {}) const noexcept
  {
    const double layers = costs.layers;
    const token_count dirty = q.mine.size() - q.clean;
    return {.user = alias_of(e.key()),
            .bytes = q.bytes,
            .tokens = q.mine.size(),
            .dirty_tokens = dirty,
            .dirty_bytes = dirty * token_bytes,
            .time_ms = latest_ms,
            .recompute_seconds = layers * costs.compute_seconds(q.mine, e.known().first_token),
            .fetch_seconds = q.fetchable != 0 ? layers * costs.fetch_seconds(q.fetchable) : 0,
            .held = e.holds != 0,
            .hint = hint};
  }
};

}  // namespace kvstrata
