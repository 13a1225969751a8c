// What is asked of a simulation, and what came of it (simulate/cache_simulator.hpp).
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/observe/events.hpp>
#include <kvstrata/simulate/part_counts.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct simulator_options
{
  std::uint32_t batch_size =
      1;  ///< requests a batch; those of one user share the answer of the longest: simulation_counts::merged
  std::uint64_t warm_up = 0;      ///< the first so many requests are served, but not counted; whole batches
  token_count newest_tokens = 0;  ///< what run() asks for of a longer history: its newest tokens only; 0: all of it
};

/// What became of one level's tokens while requests were counted.
struct tier_outcome
{
  std::uint64_t requests = 0;  ///< that it served at least one token of
  std::uint64_t tokens = 0;    ///< that it served
  std::uint64_t evicted = 0;   ///< tokens pushed out by pressure
  std::uint64_t dropped = 0;   ///< of these, how many were in no other level

  friend constexpr bool operator==(const tier_outcome&, const tier_outcome&) = default;
};

/// All counts begin after the warm-up.
struct simulation_counts
{
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t merged = 0;             ///< of the requests: shared another's answer, and ask for nothing
  std::uint64_t missed = 0;             ///< no level had anything of the user's history, or of any of the parts
  std::uint64_t unserved = 0;           ///< larger than the slab, or no room could be made: computed beside the cache
  std::uint64_t pressure = 0;           ///< batches that found no room and were halved
  by_level<tier_outcome> levels{};      ///< from the slab down
  std::uint64_t computed_tokens = 0;    ///< of histories and parts, but for scratch
  std::uint64_t recomputed_tokens = 0;  ///< of these: a level had them, but computing them is quicker
  tokens_forgotten forgotten{};         ///< that requests have made useless
  part_counts parts{};                  ///< the same tokens by the mode of their part, and those of scratch
  std::uint64_t onload_bytes = 0;       ///< 0 without a tracker that counts them (simulate/traffic.hpp)
  std::uint64_t offload_bytes = 0;      ///< likewise

  /// Tokens that levels served, and those that levels below the slab did.
  [[nodiscard]] std::uint64_t served_tokens() const noexcept { return levels[0].tokens + fetched_tokens(); }
  [[nodiscard]] std::uint64_t fetched_tokens() const noexcept
  {
    std::uint64_t sum = 0;
    for (level_index i = 1; i < most_levels; ++i) sum += levels[i].tokens;
    return sum;
  }
  [[nodiscard]] std::uint64_t tokens() const noexcept { return served_tokens() + computed_tokens; }

  friend constexpr bool operator==(const simulation_counts&, const simulation_counts&) = default;
};

}  // namespace kvstrata
