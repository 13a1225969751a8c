// Stacks that are none: each is turned down with a sentence. With -DKVSTRATA_RIGHT, what is wrong is right, and all of it
// compiles.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>

using namespace kvstrata;

#ifdef KVSTRATA_RIGHT
constexpr bool right = true;
#else
constexpr bool right = false;
#endif

using slab = device_slab<emulated_device>;
using arena = pinned_arena<>;
template <class Right, class Wrong>
using either = std::conditional_t<right, Right, Wrong>;

tier_stack<either<slab, arena>, arena>::config no_slab_above;
tier_stack<either<slab, int>>::config no_tier_at_all;

template <std::size_t... Depth>
tier_stack<slab, std::enable_if_t<(Depth + 1 > 0), arena>...> stack_of(std::index_sequence<Depth...>);
decltype(stack_of(std::make_index_sequence<right ? 7 : 8>()))::config too_deep;

cache<either<tier_stack<slab>, slab>, paged_layout, layerwise_transfer<>, lru>* tier_for_a_stack = nullptr;

struct tiers_of_mine : tier_stack<slab, arena>
{
};
cache<either<tiers_of_mine, emulated_device>, hybrid_layout, layerwise_transfer<>, lru>* device_for_a_stack = nullptr;

tier_stack<slab, either<arena, memory_store<>>>::config store_without_a_memory;
tier_stack<slab, arena, either<arena, memory_store<>>, arena>::config memory_below_a_store;

struct no_promises : emulated_device
{
  void promise() = delete;
};
tier_stack<device_slab<either<emulated_device, no_promises>>, arena, memory_store<>>::config no_host_streams;

struct careless  // its erase may throw
{
  using tier_kind = store_kind;
  template <class Device>
  struct on : memory_store<>::on<Device>
  {
    void erase(const sequence_key&) noexcept(right);
  };
};
tier_stack<slab, arena, careless>::config erases;
