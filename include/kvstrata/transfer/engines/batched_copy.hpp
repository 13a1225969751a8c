// The batch-copy call: all pieces of a layer in one call to the device (cudaMemcpyBatchAsync, in CUDA 13).
//
// What a copy call costs the host and the driver is paid once a batch instead of once a page; on small pieces that
// gains about 2x. Tens of thousands of descriptors in one call have crashed drivers, so a batch has at most MaxPieces,
// and a longer list goes in several. Neighbours that are dense on both sides become one piece first. Where the device
// has no batches the pieces are copied one by one.
#pragma once

#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstddef>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::size_t MaxPieces = 4096>
  requires(MaxPieces > 0)
struct batched_copy
{
  using option_kind = copy_engine_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction)
        : device_(&d), direction_(direction), stream_(create_copy_stream(d, copy_stream_name(direction)))
    {
    }

    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      copied out;
      if (list.empty()) return out;
      const std::span<const copy_piece> all = pieces_.of(list, layer);
      wait_for(*device_, stream_, after);
      for (std::size_t begin = 0; begin < all.size(); begin += MaxPieces) {
        const std::size_t left = all.size() - begin;
        out.calls += issue(all.subspan(begin, left < MaxPieces ? left : MaxPieces));
      }
      out.pieces = all.size();
      out.done = device_->record(stream_);
      return out;
    }

    void drain_sync() noexcept { drain_stream_sync(*device_, stream_); }

   private:
    std::size_t issue(std::span<const copy_piece> batch)
    {
      if constexpr (batches_copies<Device>) {
        device_->copy_batch(stream_, direction_, batch);
        return 1;
      } else {
        for (const copy_piece& piece : batch) device_->copy(stream_, direction_, piece.dst, piece.src, piece.bytes);
        return batch.size();
      }
    }

    Device* device_;
    copy_direction direction_;
    stream_id stream_;
    layer_pieces pieces_;
  };
};

static_assert(copy_engine<batched_copy<>, detail::device_archetype>);

}  // namespace kvstrata
