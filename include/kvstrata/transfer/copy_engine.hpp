// Copy engines: how the copies of one layer are issued.
//
//   per_page_copy    one copy a page: the naive baseline, bound by the cost of a call
//   coalesced_copy   one copy for all pages that are dense on both sides, straight to their final place
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <cstdint>

namespace kvstrata {

namespace detail {

template <device Device>
std::uint64_t issue_copies(Device& d, stream_id stream, copy_direction direction, const copy_list& list,
                           layer_index layer, bool coalesce)
{
  std::uint64_t copies = 0;
  for (const copy_run& run : list.runs) {
    std::byte* const on_device = list.device_base + run.device_offset + run.device_place.offset(layer, 0);
    std::byte* const below = list.lower_base + run.lower_offset + run.lower_place.offset(layer, 0);
    const bool dense =
        run.device_place.page_stride == list.piece_bytes && run.lower_place.page_stride == list.piece_bytes;
    const page_count step = coalesce && dense ? run.pages : 1;
    for (page_count page = 0; page < run.pages; page += step, ++copies) {
      std::byte* const device_side = on_device + run.device_place.offset(0, page);
      std::byte* const lower_side = below + run.lower_place.offset(0, page);
      if (direction == copy_direction::to_device) {
        d.copy(stream, direction, device_side, lower_side, step * list.piece_bytes);
      } else {
        d.copy(stream, direction, lower_side, device_side, step * list.piece_bytes);
      }
    }
  }
  return copies;
}

/// The engines that copy straight from place to place.
template <bool Coalesce>
struct direct_copy
{
  template <device Device>
  class on
  {
   public:
    explicit on(Device& d) : device_(&d) {}
    std::uint64_t copy(stream_id stream, copy_direction direction, const copy_list& list, layer_index layer)
    {
      return issue_copies(*device_, stream, direction, list, layer, Coalesce);
    }

   private:
    Device* device_;
  };
};

}  // namespace detail

struct per_page_copy : detail::direct_copy<false>
{
};

struct coalesced_copy : detail::direct_copy<true>
{
};

}  // namespace kvstrata
