// The top tier: one reservation of device memory, carved into pages.
//
//   device_slab<Device, [evict_front | evict_whole], [replaced_by<Policy>]>
#pragma once

#include <kvstrata/core/sizes.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/check_places.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/frame_store.hpp>
#include <kvstrata/tiers/onload_window.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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

/// How it was measured: docs/architecture.md.
inline constexpr double default_slack = 1.0 / 24;

/// Pages [first, first + pages) of a reservation of `total` pages that somebody else owns and that outlives the slab:
/// several slabs share one, so that one page table can speak of all their pages. The slab's own page ids count from
/// `first`.
struct slab_region
{
  std::byte* base = nullptr;  ///< of the whole reservation
  page_count total = 0;       ///< 0: no region, the slab reserves its own
  page_count first = 0;
  page_count pages = 0;
  page_count window = 0;  ///< of these, the last ones are the onload window
};

namespace detail {

/// Device memory of one's own, or somebody else's.
template <device_memory Memory>
struct slab_memory
{
  std::optional<Memory> own;
  std::byte* base = nullptr;
  std::size_t bytes = 0;

  [[nodiscard]] std::byte* data() const noexcept { return base; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes; }
};

}  // namespace detail

template <device Device, option... Options>
struct device_slab
{
  using device_type = Device;
  using shedding = find_option_t<shedding_option, evict_front, Options...>;
  using replacement = find_option_t<replacement_option, replaced_as_cache, Options...>;
  static constexpr std::string_view name = "slab";

  struct config
  {
    std::size_t bytes = 0;  ///< device memory for users' pages; rounded down to whole pages
    double slack =
        default_slack;  ///< when room must be made, this share of the slab is evicted beyond what is missing, so
                        ///< that pages come free in long runs; less where a batch is a large share of it
    std::size_t window_bytes = 0;  ///< device memory for the onload window; only a window_copy uses it
    slab_region region = {};       ///< with a total: carved out of it instead, and both sizes above must be 0
  };

  class bound;
};

/// Page p of layer l lies at data() + place().offset(l, p). try_take never waits: it returns the fence of the pages'
/// last use. Not synchronised: the cache holds a lock.
template <device Device, option... Options>
class device_slab<Device, Options...>::bound
    : public frame_store<Device, detail::slab_memory<typename Device::memory>, run_pool>
{
  using memory_type = detail::slab_memory<typename Device::memory>;
  using store = frame_store<Device, memory_type, run_pool>;

 public:
  /// Reserves the slab. Throws config_error when not one page fits, or a size cannot be counted, capacity_error when the
  /// device has not the memory, contract_error when the layout's pages do not lie in the slab, or not apart.
  template <layout_policy Layout>
  bound(Device& d, const config& sizes, const geometry& shape, const Layout& layout)
      : bound(d, sizes, shape, layout, extent_of(sizes, checked_page_bytes(shape, layout)))
  {
  }

  [[nodiscard]] const placement& place() const noexcept { return place_; }
  [[nodiscard]] onload_window& window() noexcept { return window_; }
  [[nodiscard]] const onload_window& window() const noexcept { return window_; }

  /// As frame_store's. Where the device poisons, the pages are overwritten once their fence has come to pass.
  void give_back(frame_run run, fence last_use) noexcept
  {
    poison(run, last_use);
    store::give_back(run, last_use);
  }
  void give_back_window(frame_run run, fence last_use) noexcept
  {
    poison(run, last_use);
    window_.give_back(run, last_use, store::device_in_use());
  }

  void drain_sync()
  {
    store::drain_sync();
    window_.each_use([this](const fence& uses) { wait_for_sync(store::device_in_use(), uses); });
  }

 private:
  template <layout_policy Layout>
  static std::size_t checked_page_bytes(const geometry& shape, const Layout& layout)
  {
    check_pages(shape, layout);
    return page_bytes(shape, layout.page_tokens);
  }

  static slab_region extent_of(const config& sizes, std::size_t bytes_per_page)
  {
    const slab_region& r = sizes.region;
    if (r.total == 0) {
      const page_count pages = frames_in("slab.bytes", sizes.bytes, bytes_per_page);
      const page_count window =
          sizes.window_bytes == 0 ? 0 : frames_in("slab.window_bytes", sizes.window_bytes, bytes_per_page);
      const std::size_t bytes =
          checked_product("slab.bytes and window_bytes", std::size_t{pages} + window, bytes_per_page);
      const page_count all = frames_in("slab.bytes and window_bytes", bytes, bytes_per_page);
      return {.total = all, .pages = all, .window = window};
    }
    if (sizes.bytes != 0 || sizes.window_bytes != 0) {
      throw config_error("slab.bytes", sizes.bytes, "it must be 0, as slab.window_bytes, where slab.region is given");
    }
    if (r.base == nullptr) throw config_error("slab.region.base", "null", "it must be the address of page 0");
    const std::size_t bytes = checked_product("slab.region in bytes", r.total, bytes_per_page);
    static_cast<void>(frames_in("slab.region in bytes", bytes, bytes_per_page));
    if (r.pages == 0 || r.first > r.total || r.pages > r.total - r.first) {
      throw config_error("slab.region.pages", r.pages,
                         "from page " + std::to_string(r.first) + " on, 1 to " +
                             std::to_string(r.first > r.total ? 0 : r.total - r.first) +
                             " pages lie in the reservation");
    }
    if (r.window >= r.pages) {
      throw config_error("slab.region.window", r.window,
                         "it must leave users' pages at least one of the region's " + std::to_string(r.pages));
    }
    return r;
  }

  template <layout_policy Layout>
  static memory_type reserve(Device& d, const config& sizes, const geometry& shape, const Layout& layout,
                             const slab_region& r)
  {
    const std::size_t bytes = std::size_t{r.total} * page_bytes(shape, layout.page_tokens);
    if (sizes.region.total != 0) {
      return {{}, r.base + layout.device_place(shape, r.total).offset(0, r.first), bytes};
    }
    typename Device::memory own = d.allocate_device(bytes, "slab");
    std::byte* const base = own.data();
    return {std::move(own), base, bytes};
  }

  template <layout_policy Layout>
  bound(Device& d, const config& sizes, const geometry& shape, const Layout& layout, const slab_region& r)
      : store(d, reserve(d, sizes, shape, layout, r), r.pages - r.window),
        place_(checked_device_place(shape, layout, r.total)),
        piece_bytes_(page_layer_bytes(shape, layout.page_tokens)),
        layers_(shape.layers),
        window_(r.pages - r.window, r.window)
  {
    if constexpr (poisons<Device>) {
      if (d.poison_freed()) poison_stream_ = d.create_stream("poison");
    }
  }

  /// What the device refuses to overwrite stays as it is; what it has queued is waited for.
  void poison([[maybe_unused]] frame_run run, [[maybe_unused]] fence& last_use) noexcept
  {
    if constexpr (poisons<Device>) {
      Device& d = store::device_in_use();
      if (!poison_stream_ || run.count == 0) return;
      try {
        wait_for(d, *poison_stream_, last_use);
        for (layer_index layer = 0; layer < layers_; ++layer) {
          for (page_count page = run.first; page < run.first + run.count; ++page) {
            d.poison(*poison_stream_, store::data() + place_.offset(layer, page), piece_bytes_);
          }
        }
      } catch (...) {
      }
      if (const auto overwritten = last_point(d, *poison_stream_)) remember(d, last_use, *overwritten);
    }
  }

  placement place_;
  std::size_t piece_bytes_;
  std::uint32_t layers_;
  onload_window window_;
  std::optional<stream_id> poison_stream_;
};

static_assert(slab_tier<device_slab<detail::device_archetype>> &&
              bound_tier<device_slab<detail::device_archetype>::bound>);

}  // namespace kvstrata
