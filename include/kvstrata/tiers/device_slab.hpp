// The top tier: one reservation of device memory, carved into pages.
//
//   device_slab<Device, [evict_front | evict_whole], [replaced_by<Policy>]>
#pragma once

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <string_view>

namespace kvstrata {

/// A top tier: a device_slab.
template <class T>
concept slab_tier = requires {
  typename T::device_type;
  typename T::bound;
} && tier_recipe<T>;

/// A device that can overwrite freed pages with a pattern, so that reading one shows.
template <class D>
concept poisons = requires(D& d, stream_id stream, std::byte* at, std::size_t bytes) {
  { d.poison_freed() } -> std::same_as<bool>;
  d.poison(stream, at, bytes);
};

template <device Device, option... Options>
struct device_slab
{
  using device_type = Device;
  using shedding = find_option_t<shedding_option, evict_front, Options...>;
  using replacement = find_option_t<replacement_option, replaced_as_cache, Options...>;

  struct config
  {
    std::size_t bytes = 0;  ///< device memory to reserve; rounded down to whole pages
  };

  class bound;
};

/// Page p of layer l lies at base() + place().offset(l, p). try_take never waits: it returns the fence of the pages'
/// last use. Not synchronised: the cache holds a lock.
template <device Device, option... Options>
class device_slab<Device, Options...>::bound : public frame_store<Device, typename Device::memory>
{
  using store = frame_store<Device, typename Device::memory>;

 public:
  /// Reserves the slab. Throws config_error when not one page fits, capacity_error when the device has not the memory.
  template <layout_policy Layout>
  bound(Device& d, const config& sizes, const geometry& shape, const Layout& layout)
      : bound(d, shape, layout, frames_in("device.bytes", sizes.bytes, page_bytes(shape, layout.page_tokens)))
  {
  }

  [[nodiscard]] const placement& place() const noexcept { return place_; }

  /// As frame_store's. Where the device poisons, the pages are overwritten once their fence has come to pass.
  void give_back(frame_run run, fence last_use)
  {
    if constexpr (poisons<Device>) {
      if (Device& d = store::device_in_use(); d.poison_freed() && run.count != 0) {
        try {
          wait_for(d, poison_stream_, last_use);
          for (layer_index layer = 0; layer < layers_; ++layer) {
            for (page_count page = run.first; page < run.first + run.count; ++page) {
              d.poison(poison_stream_, store::base() + place_.offset(layer, page), piece_bytes_);
            }
          }
          last_use.add(d.record(poison_stream_));
        } catch (const device_error&) {  // nothing runs any more, but the books must be right
        }
      }
    }
    store::give_back(run, std::move(last_use));
  }

 private:
  template <layout_policy Layout>
  bound(Device& d, const geometry& shape, const Layout& layout, page_count pages)
      : store(d, d.allocate_device(pages * page_bytes(shape, layout.page_tokens), "slab"), pages),
        place_(layout.device_place(shape, pages)),
        piece_bytes_(page_layer_bytes(shape, layout.page_tokens)),
        layers_(shape.layers)
  {
    if constexpr (poisons<Device>) {
      if (d.poison_freed()) poison_stream_ = d.create_stream("poison");
    }
  }

  placement place_;
  std::size_t piece_bytes_;
  std::uint32_t layers_;
  stream_id poison_stream_{};
};

}  // namespace kvstrata
