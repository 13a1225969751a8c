// default_cache with another layout.
#include "replay/caches.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>

namespace replay::caches {

std::optional<cache_kind> find_layout(std::string_view key)
{
  using namespace kvstrata;
  using tiers = tier_stack<device_slab<device, evict_front>, pinned_arena<evict_front>>;
  using transfer = layerwise_transfer<batched_copy<>, token_write_through>;
  if (key == "contiguous") return kind_of<cache<tiers, contiguous_layout, transfer, lru, case_watcher>>();
  return std::nullopt;
}

}  // namespace replay::caches
