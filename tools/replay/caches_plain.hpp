// The caches that run without --cases, and other ways to serve from default_cache.
#pragma once

#include "replay/caches.hpp"

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_plain(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  using ours = default_cache<device, lru, case_tracker>;
  if (key == "device") return kind_of<device_only_cache<device, lru, case_tracker>, Place>();
  if (key == "synchronous") {
    // default_cache, but for when it copies.
    using tiers = tier_stack<device_slab<device, evict_front>, pinned_arena<token_write_through, evict_front>>;
    using transfer = immediate_transfer<batched_copy<>>;
    return kind_of<cache<tiers, hybrid_layout, transfer, lru, case_tracker>, Place>({.synchronous = true});
  }
  if (key == "mtserve") return kind_of<mtserve_cache<device, case_tracker>, Place>();
  if (key == "default") return kind_of<ours, Place>();
  if (key == "split") return kind_of<ours, Place>({.splits = true});
  if (key == "prefetch") return kind_of<ours, Place>({.prefetches = true});
  return std::nullopt;
}

}  // namespace replay::caches
