// A sample of docs/concepts/device.md.
#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>

// The emulated device, as one of a given size asks for memory: what it has handed out is counted.
struct counted_device : kvstrata::emulated_device
{
  using kvstrata::emulated_device::emulated_device;
  std::size_t asked = 0;
  memory allocate_device(std::size_t bytes, std::string_view name)
  {
    asked += bytes;
    return kvstrata::emulated_device::allocate_device(bytes, name);
  }
};
static_assert(kvstrata::device<counted_device>);

#ifndef KVSTRATA_RIGHT
// says: reports_completion
struct never_asked : kvstrata::emulated_device  // cannot be asked whether an event has come to pass
{
  void query(kvstrata::event) = delete;
};
static_assert(kvstrata::device<never_asked>);
#endif
