// From one memory to another, down the stack: neither end is the device's, so there is nothing to choose. The copies are
// stream-ordered all the same, on a stream of their own ("demote"), so that the fences that order all else order them.
#pragma once

#include <kvstrata/transfer/codes/coded_copies.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>
#include <kvstrata/transfer/queue_layers.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One copy for all pages that are dense on both sides. Not synchronised. Does not block.
template <device Device>
class demotion
{
 public:
  explicit demotion(Device& d) : copies_(d, copy_direction::on_host) {}

  /// Starts after `after`.
  [[nodiscard]] ticket demote(const copy_list& list, const fence& after)
  {
    const fence nothing;  // the first layer's wait holds for the others
    return queue_layers(copies_, list, [&](layer_index l) { return copies_.copy(list, l, l == 0 ? after : nothing); });
  }

 private:
  coded_copies<typename coalesced_copy::on<Device>, direct_codes<>, Device> copies_;
};

/// Where a stack has no two memories below the slab.
struct no_demotion
{
  template <device Device>
  explicit no_demotion(Device&)
  {
  }
};

}  // namespace kvstrata
