// Types that may throw from what ends a life are nobody's: each is turned down with a sentence.
// With -DKVSTRATA_RIGHT none of them throws, and all of it compiles.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#ifdef KVSTRATA_RIGHT
constexpr bool right = true;
#else
constexpr bool right = false;
#endif

using namespace kvstrata;

struct removes : lru
{
  void remove(hook& object) noexcept(right) { lru::remove(object); }
};
static_assert(replacement_policy<removes>);

struct evicts : lru
{
  void evict(hook& object, const object_info&) noexcept(right) { lru::remove(object); }
};
static_assert(replacement_policy<evicts>);

struct gives_back : pinned_arena<>
{
  template <device Device>
  struct on : pinned_arena<>::on<Device>
  {
    using pinned_arena<>::on<Device>::on;
    void give_back(frame_run run, fence uses) noexcept(right) { pinned_arena<>::on<Device>::give_back(run, uses); }
  };
};
using stack = tier_stack<device_slab<emulated_device>, gives_back>;
level_index memories = stack::memories;

struct granular : paged_layout
{
  page_count granule_pages() const noexcept(right) { return 1; }
};
static_assert(layout_policy<granular>);

struct hears_changes : lru
{
  void changed(hook&, const object_info&) noexcept(right) {}
};
device_only_cache<emulated_device, hears_changes>* cache_with_it = nullptr;
