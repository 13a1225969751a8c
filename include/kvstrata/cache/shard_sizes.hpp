// What each of several caches gets of the sizes that were meant for one.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sizes.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace kvstrata {

/// A tier's config whose size is its member `bytes`, or that has none: what can be divided.
template <class C>
concept divisible_tier = std::is_empty_v<C> || requires(C& c) {
  { c.bytes } -> std::convertible_to<std::size_t>;
};

/// Of `units`, what the shard `number` of `shards` gets: equal shares, and the first shards one more of the rest.
[[nodiscard]] constexpr std::size_t share_of(std::size_t units, std::size_t shards, std::size_t number) noexcept
{
  return units / shards + (number < units % shards ? 1 : 0);
}

/// Divides a cache's config among caches that share one device reservation. All tiers are divided in whole granules of
/// the layout; what is left beyond them is not reserved. The bound on writes under way is divided too; shares and
/// policies are the same in every shard.
template <class Config>
  requires divisible_tier<decltype(Config::host)>
class shard_sizes
{
 public:
  /// Throws config_error when a tier has not one granule a shard.
  shard_sizes(const Config& whole, std::uint32_t shards) : whole_(whole), shards_(shards)
  {
    if (shards == 0) throw config_error("shards", shards, "there must be at least one");
    check_pages(whole.shape, whole.layout);
    if (whole.device.region.total != 0) {
      throw config_error("device.region.total", whole.device.region.total,
                         "it must be 0: sharded makes the reservation and its regions itself");
    }
    const std::size_t page = page_bytes(whole.shape, whole.layout.page_tokens);
    granule_bytes_ = page * whole.layout.granule_pages();
    const std::size_t all = checked_sum("device.bytes and window_bytes", whole.device.bytes, whole.device.window_bytes);
    static_cast<void>(frames_in("device.bytes and window_bytes", all, page));
    const std::size_t granules = units("device.bytes", whole.device.bytes, granule_bytes_);
    const std::size_t window =
        whole.device.window_bytes == 0 ? 0 : units("device.window_bytes", whole.device.window_bytes, page);
    for (std::uint32_t i = 0; i < shards; ++i) {
      slab_region r{.first = total(), .window = static_cast<page_count>(share_of(window, shards, i))};
      r.pages = static_cast<page_count>(share_of(granules, shards, i)) * whole.layout.granule_pages() + r.window;
      regions_.push_back(r);
    }
    if constexpr (!std::is_empty_v<decltype(Config::host)>) {
      below_ = units("host.bytes", whole.host.bytes, granule_bytes_);
    }
  }

  /// Pages of the reservation that the shards share.
  [[nodiscard]] page_count total() const noexcept
  {
    return regions_.empty() ? 0 : regions_.back().first + regions_.back().pages;
  }
  /// The first of a shard's pages.
  [[nodiscard]] page_count first_page(std::uint32_t shard) const noexcept { return regions_[shard].first; }

  /// The config of one shard, over a reservation of total() pages at `base`.
  [[nodiscard]] Config of(std::uint32_t shard, std::byte* base) const
  {
    Config mine = whole_;
    mine.device.bytes = mine.device.window_bytes = 0;
    mine.device.region = regions_[shard];
    mine.device.region.base = base;
    mine.device.region.total = total();
    if constexpr (!std::is_empty_v<decltype(Config::host)>) {
      mine.host.bytes = share_of(below_, shards_, shard) * granule_bytes_;
    }
    if (std::uint64_t& most = mine.writes.in_flight_bytes; most != (std::numeric_limits<std::uint64_t>::max)()) {
      most = most == 0 ? 0 : (std::max)(most / shards_, std::uint64_t{1});  // a cache refuses 0
    }
    return mine;
  }

 private:
  [[nodiscard]] std::size_t units(std::string_view field, std::size_t bytes, std::size_t unit) const
  {
    if (bytes / unit >= shards_) return bytes / unit;
    throw config_error(field, bytes,
                       std::to_string(shards_) + " shards need at least " + std::to_string(unit) + " bytes each");
  }

  Config whole_;
  std::uint32_t shards_;
  std::size_t granule_bytes_ = 0;
  std::vector<slab_region> regions_;
  std::size_t below_ = 0;  // granules of the lower tier
};

}  // namespace kvstrata
