// Caches whose copies, or promotions, are kernels.
#include "replay/caches.hpp"

#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

namespace replay::caches {

std::optional<cache_kind> find_kernel(std::string_view key)
{
  using namespace kvstrata;
  if (key == "window") return kind_of<variant<window_copy<batched_copy<>>>>();
  if (key == "mtserve_window") {
    // The paper's whole way: landing, chunks written down, users evicted whole.
    using tiers = tier_stack<device_slab<device, evict_whole>, pinned_arena<evict_whole>>;
    return kind_of<
        cache<tiers, hybrid_layout, layerwise_transfer<window_copy<>, chunk_write_through>, lru, case_watcher>>();
  }
  if (key == "kernel") return kind_of<variant<kernel_copy<>>>();
  return std::nullopt;
}

}  // namespace replay::caches
