// default_cache over a store on a file.
#include "replay/caches.hpp"
#include "replay/cpu_place.hpp"
#include "replay/store_below_nvme.hpp"

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_store(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  if (key != "nvme") return std::nullopt;
  // Whole pages come down as they are committed: what a process that is killed had computed is there for the next one.
  using tiers = tier_stack<device_slab<device, evict_front>, pinned_arena<token_write_through, evict_front>,
                           nvme_file<page_write_through>>;
  return kind_of<cache<tiers, hybrid_layout, layerwise_transfer<batched_copy<>>, lru, case_tracker>, Place>();
}

template std::optional<cache_kind<cpu_place>> find_store(std::string_view key);

}  // namespace replay::caches
