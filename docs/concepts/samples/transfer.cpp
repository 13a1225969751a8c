// A sample of docs/concepts/transfer.md.
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/concepts.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>

// One copy a page, refused for pages that are too small for it.
struct large_pages_only : kvstrata::per_page_copy
{
  static void check_piece(std::size_t bytes)
  {
    if (bytes < 4096) throw kvstrata::config_error("bytes of a page in one layer", bytes, "at least 4096");
  }
};
static_assert(kvstrata::copy_engine<large_pages_only, kvstrata::emulated_device>);

#ifndef KVSTRATA_RIGHT
// says: carries_copy_lists
struct copies_nothing : kvstrata::per_page_copy
{
  template <class Device>
  struct on
  {
    on(Device&, kvstrata::copy_direction) {}
    void drain_sync() noexcept {}
  };
};
static_assert(kvstrata::copy_engine<copies_nothing, kvstrata::emulated_device>);
#endif
