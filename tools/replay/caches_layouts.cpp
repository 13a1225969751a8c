// default_cache with another layout.
#include "replay/caches.hpp"
#include "replay/cpu_place.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_layout(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  using tiers = tier_stack<device_slab<device, evict_front>, pinned_arena<token_write_through, evict_front>>;
  using transfer = layerwise_transfer<batched_copy<>>;
  if (key == "contiguous") return kind_of<cache<tiers, contiguous_layout, transfer, lru, case_tracker>, Place>();
  return std::nullopt;
}

template std::optional<cache_kind<cpu_place>> find_layout(std::string_view key);

}  // namespace replay::caches
