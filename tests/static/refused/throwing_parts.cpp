// Types that may throw from what ends a life are nobody's: each, chosen by KVSTRATA_CASE, is turned down with a sentence.
// With -DKVSTRATA_NOEXCEPT=noexcept all of them compile.
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/tier_stack.hpp>
#if KVSTRATA_CASE == 5
#include <kvstrata/cache.hpp>
#endif
#include <kvstrata/device/emulated_device.hpp>

#ifndef KVSTRATA_NOEXCEPT
#define KVSTRATA_NOEXCEPT
#endif

using namespace kvstrata;

#if KVSTRATA_CASE == 1
struct policy : lru
{
  void remove(hook& object) KVSTRATA_NOEXCEPT { lru::remove(object); }
};
static_assert(replacement_policy<policy>);
#elif KVSTRATA_CASE == 2
struct policy : lru
{
  void evict(hook& object, const object_info&) KVSTRATA_NOEXCEPT { lru::remove(object); }
};
static_assert(replacement_policy<policy>);
#elif KVSTRATA_CASE == 3
struct tier : pinned_arena<>
{
  template <device Device>
  struct on : pinned_arena<>::on<Device>
  {
    using pinned_arena<>::on<Device>::on;
    void give_back(frame_run run, fence uses) KVSTRATA_NOEXCEPT { pinned_arena<>::on<Device>::give_back(run, uses); }
  };
};
using stack = tier_stack<device_slab<emulated_device>, tier>;
bool has_lower = stack::has_lower;
#elif KVSTRATA_CASE == 4
struct layout : paged_layout
{
  page_count granule_pages() const KVSTRATA_NOEXCEPT { return 1; }
};
static_assert(layout_policy<layout>);
#elif KVSTRATA_CASE == 5
struct policy : lru
{
  void changed(hook&, const object_info&) KVSTRATA_NOEXCEPT {}
};
device_only_cache<emulated_device, policy>* cache_with_it = nullptr;
#else
#error "which case?"
#endif
