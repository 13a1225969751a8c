#include "support/grid/contestants.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/replacement/locality.hpp>
#include <kvstrata/transfer/two_pointers.hpp>

namespace bench {
namespace {

using namespace kvstrata;

/// default_cache with another split decision.
template <class Split>
using splitting_by =
    cache<tier_stack<device_slab<emulated_device, evict_front>, pinned_arena<token_write_through, evict_front>>,
          hybrid_layout, layerwise_transfer<batched_copy<>, Split>, lru>;

constexpr contestant all[] = {
    {"default_cache", &serve_cell<default_cache<emulated_device>>},
    {"mtserve_cache", &serve_cell<mtserve_cache<emulated_device>>},
    {"always_fetch", &serve_cell<splitting_by<always_fetch>>},
    {"fetch_or_recompute", &serve_cell<splitting_by<fetch_or_recompute>>},
    {"two_pointers", &serve_cell<splitting_by<two_pointers>>},
    {"batch_two_pointers", &serve_cell<splitting_by<batch_two_pointers>>},
    {"locality", &serve_cell<default_cache<emulated_device, locality>>},
};

}  // namespace

std::span<const contestant> contestants() { return all; }

}  // namespace bench
