// A sample of docs/concepts/tier.md.
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

// Pinned memory by another name: what texts and metrics call it.
struct far_memory : kvstrata::pinned_arena<>
{
  static constexpr std::string_view name = "far memory";
};
static_assert(kvstrata::memory_tier<far_memory, kvstrata::emulated_device>);

#ifndef KVSTRATA_RIGHT
// says: a tier's give_back(run, fence) must be noexcept
struct may_throw : far_memory
{
  template <class Device>
  struct on : far_memory::on<Device>
  {
    using far_memory::on<Device>::on;
    void give_back(kvstrata::frame_run run, kvstrata::fence last_use)
    {
      far_memory::on<Device>::give_back(run, last_use);
    }
  };
};
static_assert(kvstrata::memory_tier<may_throw, kvstrata::emulated_device>);
#endif
