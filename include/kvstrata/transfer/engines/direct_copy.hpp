// The engines that copy straight from place to place, a call each:
//
//   per_page_copy    one copy a page: the naive baseline, bound by the cost of a call
//   coalesced_copy   one copy for all pages that are dense on both sides, straight to their final place
#pragma once

#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/transfer/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

template <bool JoinPages>
struct direct_copy
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
      wait_for(*device_, stream_, after);
      each_piece(list, layer, JoinPages, [&](const copy_piece& piece) {
        device_->copy(stream_, direction_, piece.dst, piece.src, piece.bytes);
        ++out.calls;
      });
      out.pieces = out.calls;
      out.done = device_->record(stream_);
      return out;
    }

    void drain_sync() noexcept { drain_stream_sync(*device_, stream_); }

   private:
    Device* device_;
    copy_direction direction_;
    stream_id stream_;
  };
};

}  // namespace detail

struct per_page_copy : detail::direct_copy<false>
{
};

struct coalesced_copy : detail::direct_copy<true>
{
};

static_assert(copy_engine<per_page_copy, detail::device_archetype> &&
              copy_engine<coalesced_copy, detail::device_archetype>);

}  // namespace kvstrata
