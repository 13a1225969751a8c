// A sample of docs/concepts/store.md.
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>

// A store for what is written at once: memory_store waits until something is evicted.
struct eager_store : kvstrata::memory_store<>
{
  using writes = kvstrata::page_write_through;
  static constexpr std::string_view name = "eager store";
};
static_assert(kvstrata::store_tier<eager_store, kvstrata::emulated_device>);

#ifndef KVSTRATA_RIGHT
// says: a store's erase(key) must be noexcept
struct may_throw : eager_store
{
  template <class Device>
  struct on : eager_store::on<Device>
  {
    void erase(const kvstrata::sequence_key&) {}
  };
};
static_assert(kvstrata::store_tier<may_throw, kvstrata::emulated_device>);
#endif
