// Tiers that lack one member: the stack names it. With -DKVSTRATA_RIGHT they have it, and all of it compiles.
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#ifdef KVSTRATA_RIGHT
#define LACKS(name)
#else
#define LACKS(name) void name() = delete;
#endif

using namespace kvstrata;

template <class... Tiers>
using over = typename tier_stack<device_slab<emulated_device>, Tiers...>::config;

#define TIER_WITHOUT(name)                                       \
  struct without_##name : pinned_arena<>                         \
  {                                                              \
    template <class Device>                                      \
    struct on : pinned_arena<>::on<Device>                       \
    {                                                            \
      using base = typename pinned_arena<>::template on<Device>; \
      using base::base;                                          \
      LACKS(name)                                                \
    };                                                           \
  };                                                             \
  over<without_##name>* stack_without_##name = nullptr

TIER_WITHOUT(try_take);
TIER_WITHOUT(give_back);
TIER_WITHOUT(capacity);
TIER_WITHOUT(in_flight);
TIER_WITHOUT(data);
TIER_WITHOUT(drain_sync);

struct made_of_too_little : pinned_arena<>
{
  template <class Device>
  struct on : pinned_arena<>::on<Device>
  {
    on(Device& d, const config& c
#ifdef KVSTRATA_RIGHT
       ,
       std::size_t frame
#endif
    );
  };
};
over<made_of_too_little>* stack_of_too_little = nullptr;

struct nothing_at_all
{
};
#ifdef KVSTRATA_RIGHT
using something = pinned_arena<>;
#else
using something = nothing_at_all;
#endif
over<something>* stack_of_nothing = nullptr;

struct odd_writes : pinned_arena<>
{
#ifndef KVSTRATA_RIGHT
  using writes = evict_front;
#endif
};
over<odd_writes>* stack_with_odd_writes = nullptr;

struct odd_admission : pinned_arena<>
{
#ifndef KVSTRATA_RIGHT
  using admission = evict_front;
#endif
};
over<odd_admission>* stack_with_odd_admission = nullptr;

#define STORE_WITHOUT(name)                    \
  struct store_without_##name : memory_store<> \
  {                                            \
    template <class Device>                    \
    struct on : memory_store<>::on<Device>     \
    {                                          \
      LACKS(name)                              \
    };                                         \
  };                                           \
  over<pinned_arena<>, store_without_##name>* stack_on_store_without_##name = nullptr

STORE_WITHOUT(ask);
STORE_WITHOUT(put);
STORE_WITHOUT(get);
STORE_WITHOUT(erase);
STORE_WITHOUT(poll);
STORE_WITHOUT(flush);
