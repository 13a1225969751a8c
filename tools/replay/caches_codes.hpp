// default_cache whose arena keeps codes.
#pragma once

#include "replay/caches.hpp"

namespace replay::caches {

template <class Device, class Codec>
using with_codes = kvstrata::cache<
    kvstrata::tier_stack<kvstrata::device_slab<Device, kvstrata::evict_front>,
                         kvstrata::pinned_arena<kvstrata::token_write_through, kvstrata::evict_front, Codec>>,
    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<kvstrata::batched_copy<>, kvstrata::split_by_cost>,
    kvstrata::lru, case_tracker>;

}  // namespace replay::caches
