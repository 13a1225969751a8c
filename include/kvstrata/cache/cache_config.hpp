// What a cache is told when it is made.
#pragma once

#include <kvstrata/books/describe.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/move/stores/store_limits.hpp>
#include <kvstrata/move/write_limits.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Tiers, class Layout, class Split>
struct cache_config
{
  using tiers_type = Tiers;
  using layout_type = Layout;

  geometry shape;                     ///< fixed for the cache's life
  typename Tiers::config tiers = {};  ///< sizes of the tiers, from the slab down: {{.bytes = a}, {.bytes = b}}
  Layout layout = {};
  epoch_id epoch{};          ///< the model version that is served first
  Split split = {};          ///< who is computed although a level has it
  write_limits writes = {};  ///< bounds on what goes down
  /// What recomputing and fetching cost: said once, here or in split.cost, the split and the replacement policies know it.
  cost_model costs = {};
  store_limits stores = {};          ///< bounds on what goes to stores and comes from them
  std::uint32_t kept_stretches = 1;  ///< hashes kept of a user with stretch fingerprints, 8 bytes each
  /// Compute streams whose copies are kept apart (move/copy_lanes.hpp); more than that share. Each takes streams of its own,
  /// and what the copy engines own.
  std::uint32_t copy_lanes = 16;
  /// Pages and extents of an erased user are overwritten with zeros before anybody else gets them (move/eraser.hpp): those
  /// that they have when they are erased, not what an eviction took from them earlier; nor what stores keep,
  /// which have options of their own (memory_store_config::overwrite_dropped).
  bool overwrite_erased = false;
};

}  // namespace kvstrata
