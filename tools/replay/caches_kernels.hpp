// Caches whose copies, or relocations, are kernels.
#pragma once

#include "replay/caches.hpp"

#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_kernel(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  if (key == "window") return kind_of<variant<device, window_copy<batched_copy<>>>, Place>();
  if (key == "mtserve_window") {
    // The paper's whole way: landing, chunks written down, users evicted whole.
    using tiers = tier_stack<device_slab<device, evict_whole>, pinned_arena<chunk_write_through, evict_whole>>;
    return kind_of<cache<tiers, hybrid_layout, layerwise_transfer<window_copy<>>, lru, case_tracker>, Place>();
  }
  if (key == "kernel") return kind_of<variant<device, kernel_copy<>>, Place>();
  return std::nullopt;
}

}  // namespace replay::caches
