// One kernel a layer that reads or writes pinned memory directly: no copy calls, no descriptors that a copy engine of
// the device has to chew, pieces of any size at the same price.
//
// It takes multiprocessors from the model, and tail latencies show it: the budget is Sms of them (0: all), and
// onload_by and offload_by choose it for one direction alone. The memory below must be pinned, which is all that a
// kernel can reach of the host.
#pragma once

#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::uint32_t Sms = 8>
struct kernel_copy
{
  using option_kind = copy_engine_option;

  template <device Device>
    requires runs_copy_kernels<Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction)
        : device_(&d), direction_(direction), stream_(create_copy_stream(d, copy_stream_name(direction)))
    {
    }

    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      if (list.empty()) return {};
      const std::span<const copy_piece> all = pieces_.of(list, layer);
      wait_for(*device_, stream_, after);
      const bool inwards = direction_ == copy_direction::to_device;
      device_->copy_kernel_launch(stream_,
                                  {.label = copy_stream_name(direction_),
                                   .route = inwards ? copy_route::to_device : copy_route::from_device,
                                   .sms = Sms},
                                  all);
      return {.calls = 1, .pieces = all.size(), .done = device_->record(stream_)};
    }

    void drain_sync() noexcept { drain_stream_sync(*device_, stream_); }

   private:
    Device* device_;
    copy_direction direction_;
    stream_id stream_;
    layer_pieces pieces_;
  };
};

static_assert(copy_engine<kernel_copy<>, detail::device_archetype>);

}  // namespace kvstrata
