// default_cache over a store in a cluster, where hiredis is.
#include "replay/caches.hpp"
#include "replay/cpu_place.hpp"
#ifdef REPLAY_HAS_REDIS
#include "replay/store_below_cluster.hpp"
#endif

#include <kvstrata/core/error.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_cluster(std::string_view key)
{
  if (key != "cluster") return std::nullopt;
#ifdef REPLAY_HAS_REDIS
  using namespace kvstrata;
  using device = typename Place::device_type;
  using tiers = tier_stack<device_slab<device, evict_front>, pinned_arena<token_write_through, evict_front>,
                           redis_cluster<page_write_through>>;
  return kind_of<cache<tiers, hybrid_layout, layerwise_transfer<batched_copy<>>, lru, case_tracker>, Place>();
#else
  throw kvstrata::config_error("--cluster", "given",
                               "this program was built without hiredis (Debian's package libhiredis-dev)");
#endif
}

template std::optional<cache_kind<cpu_place>> find_cluster(std::string_view key);

}  // namespace replay::caches
