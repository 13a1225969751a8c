// Layer by layer, on a stream for each direction: the model computes layer l while layer l + 1 travels.
//
// Asynchronous transfer pipeline after MTServe (arXiv 2604.22881), without its staging buffers: copies go straight to
// their final place, and what orders them are events alone. The host never blocks.
#pragma once

#include <kvstrata/transfer/concepts.hpp>
#include <kvstrata/transfer/copy_engine.hpp>

namespace kvstrata {

template <class Engine = coalesced_copy, write_policy WritePolicy = page_write_through>
struct layerwise_transfer
{
  using writes = WritePolicy;

  template <device Device>
    requires copy_engine<Engine, Device>
  class on
  {
   public:
    explicit on(Device& d)
        : device_(&d), engine_(d), onload_(d.create_stream("onload")), offload_(d.create_stream("offload"))
    {
    }

    [[nodiscard]] ticket onload(const copy_list& list, const fence& after)
    {
      return move(onload_, copy_direction::to_device, list, {}, after);
    }

    [[nodiscard]] ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      return move(offload_, copy_direction::from_device, list, ready, after);
    }

   private:
    ticket move(stream_id stream, copy_direction direction, const copy_list& list, std::span<const event> ready,
                const fence& after)
    {
      ticket done;
      if (list.empty()) return done;
      done.bytes = list.bytes();
      done.layers.reserve(list.layers);
      try {
        wait_for(*device_, stream, after);
        for (layer_index layer = 0; layer < list.layers; ++layer) {
          if (!ready.empty()) device_->wait(stream, ready[layer]);
          done.copies += engine_.copy(stream, direction, list, layer);
          done.layers.push_back(device_->record(stream));
        }
      } catch (...) {
        drain_sync(stream);  // nobody gets a ticket for the copies that are queued already
        throw;
      }
      return done;
    }

    void drain_sync(stream_id stream) noexcept
    {
      try {
        device_->wait_sync(device_->record(stream));
      } catch (...) {  // a failed device runs nothing any more
      }
    }

    Device* device_;
    typename Engine::template on<Device> engine_;
    stream_id onload_;
    stream_id offload_;
  };
};

}  // namespace kvstrata
