// What a cache is told when it is made.
#pragma once

#include <kvstrata/books/describe.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/move/stores/store_limits.hpp>
#include <kvstrata/move/write_limits.hpp>

#include <cstdint>

namespace kvstrata {

template <class Tiers, class Layout, class Split>
struct cache_config
{
  geometry shape;                     ///< fixed for the cache's life
  typename Tiers::config tiers = {};  ///< sizes of the tiers, from the slab down: {{.bytes = a}, {.bytes = b}}
  Layout layout = {};
  epoch_id epoch{};                  ///< the model version that is served first
  Split split = {};                  ///< who is computed although a level has it
  write_limits writes = {};          ///< bounds on what goes down
  cost_model costs = {};             ///< what replacement policies are told that recomputing and fetching cost
  store_limits stores = {};          ///< bounds on what goes to stores and comes from them
  std::uint32_t kept_stretches = 1;  ///< hashes kept of a user with stretch fingerprints, 8 bytes each
  /// Compute streams whose copies are kept apart (move/copy_lanes.hpp); more than that share. Each takes streams of its own,
  /// and what the copy engines own.
  std::uint32_t copy_lanes = 16;
};

}  // namespace kvstrata
