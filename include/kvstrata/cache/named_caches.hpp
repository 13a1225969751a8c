// Well-known points of the policy space.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Ours: everything written down as it is committed, so that victims cost no write; they lose their front and keep
/// their rear; one batched copy a layer. With a cost model in config.split (transfer/calibrate.hpp) the front of a
/// history is computed while its rear travels; without one everything is fetched. How this point was found:
/// docs/architecture.md.
template <device Device, replacement_policy Replacement = lru, tracker Tracker = no_tracker>
using default_cache =
    cache<tier_stack<device_slab<Device, evict_front>, pinned_arena<token_write_through, evict_front>>, hybrid_layout,
          layerwise_transfer<batched_copy<>, split_by_cost>, Replacement, Tracker>;

/// MTServe's configuration (arXiv 2604.22881): whole chunks written down as they fill, whole users evicted, the least
/// recently used first. Its host tier is bounded here; the paper's grows without a limit.
template <device Device, tracker Tracker = no_tracker>
using mtserve_cache =
    cache<tier_stack<device_slab<Device, evict_whole>, pinned_arena<chunk_write_through, evict_whole>>, hybrid_layout,
          layerwise_transfer<coalesced_copy>, lru, Tracker>;

/// Without a tier below: what is evicted is computed again.
template <device Device, replacement_policy Replacement = lru, tracker Tracker = no_tracker>
using device_only_cache =
    cache<tier_stack<device_slab<Device, evict_front>>, paged_layout, layerwise_transfer<>, Replacement, Tracker>;

}  // namespace kvstrata
