// Copies and waits: the baseline that everyone must beat. Onload and offload both block the host until the bytes are
// where they belong.
#pragma once

#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace kvstrata {

template <class Engine = coalesced_copy, write_policy WritePolicy = page_write_through>
struct immediate_transfer
{
  using writes = WritePolicy;

  template <device Device>
    requires copy_engine<Engine, Device>
  class on
  {
   public:
    explicit on(Device& d) : device_(&d), copies_(d) {}

    [[nodiscard]] ticket onload(const copy_list& list, const fence& after)
    {
      return finish_sync(copies_.onload(list, after));
    }
    [[nodiscard]] ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      return finish_sync(copies_.offload(list, ready, after));
    }

   private:
    ticket finish_sync(ticket queued)
    {
      device_->wait_sync(queued.last());
      return queued;
    }

    Device* device_;
    typename layerwise_transfer<Engine, WritePolicy>::template on<Device> copies_;
  };
};

}  // namespace kvstrata
