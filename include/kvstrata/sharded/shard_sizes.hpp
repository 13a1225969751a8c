// What each of several caches gets of the sizes that were meant for one.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/levels.hpp>
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
#include <tuple>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A tier's config whose size is its member `bytes`: what can be divided.
template <class C>
concept divisible_tier = requires(C& c) {
  { c.bytes } -> std::convertible_to<std::size_t>;
};

/// A store: all shards use it.
template <class C>
concept shared_tier = requires(C& c) { *c.store; };

namespace detail {

template <class Tiers>
inline constexpr bool all_divisible = false;
template <class... Tier>
inline constexpr bool all_divisible<std::tuple<Tier...>> = ((divisible_tier<Tier> || shared_tier<Tier>) && ...);

}  // namespace detail

/// Where a user lives, of so many shards: the same for every cache of so many. Murmur3's finalizer (A. Appleby, public domain),
/// which the directories do not use: were it theirs, a shard's users would share bits in its table. Its upper half, scaled, so
/// that any number of shards gets equal shares.
[[nodiscard]] constexpr std::uint32_t shard_of(user_id user, std::uint32_t shards) noexcept
{
  std::uint64_t x = to_number(user);
  x = (x ^ (x >> 33U)) * 0xff51afd7ed558ccdU;
  x = (x ^ (x >> 33U)) * 0xc4ceb9fe1a85ec53U;
  x ^= x >> 33U;
  return static_cast<std::uint32_t>(((x >> 32U) * shards) >> 32U);
}

/// Of `units`, what the shard `number` of `shards` gets: equal shares, and the first shards one more of the rest.
[[nodiscard]] constexpr std::size_t share_of(std::size_t units, std::size_t shards, std::size_t number) noexcept
{
  return units / shards + (number < units % shards ? 1 : 0);
}

/// Divides a cache's config among caches that share one device reservation. All tiers are divided in whole granules of
/// the layout; what is left beyond them is not reserved. The bound on writes under way is divided too; shares and
/// policies are the same in every shard.
template <class Config>
  requires detail::all_divisible<decltype(Config::tiers)>
class shard_sizes
{
  static constexpr level_index levels = std::tuple_size_v<decltype(Config::tiers)>;

 public:
  /// Throws config_error when a tier has not one granule a shard.
  shard_sizes(const Config& whole, std::uint32_t shards) : whole_(whole), shards_(shards)
  {
    if (shards == 0) throw config_error("shards", shards, "there must be at least one");
    check_pages(whole.shape, whole.layout);
    const auto& slab = std::get<0>(whole.tiers);
    if (slab.region.total != 0) {
      throw config_error("slab.region.total", slab.region.total,
                         "it must be 0: sharded makes the reservation and its regions itself");
    }
    const std::size_t page = page_bytes(whole.shape, whole.layout.page_tokens);
    granule_bytes_ = page * whole.layout.granule_pages();
    const std::size_t all = checked_sum("slab.bytes and window_bytes", slab.bytes, slab.window_bytes);
    static_cast<void>(frames_in("slab.bytes and window_bytes", all, page));
    const std::size_t granules = units("slab.bytes", slab.bytes, granule_bytes_);
    const std::size_t window = slab.window_bytes == 0 ? 0 : units("slab.window_bytes", slab.window_bytes, page);
    for (std::uint32_t i = 0; i < shards; ++i) {
      slab_region r{.first = total(), .window = static_cast<page_count>(share_of(window, shards, i))};
      r.pages = static_cast<page_count>(share_of(granules, shards, i)) * whole.layout.granule_pages() + r.window;
      regions_.push_back(r);
    }
    each_level<1, levels>([&](auto i) {
      if constexpr (!shared_tier<std::tuple_element_t<i(), decltype(Config::tiers)>>) {
        below_[i()] =
            units("tiers[" + std::to_string(i()) + "].bytes", std::get<i()>(whole.tiers).bytes, granule_bytes_);
      }
    });
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
    auto& slab = std::get<0>(mine.tiers);
    slab.bytes = slab.window_bytes = 0;
    slab.region = regions_[shard];
    slab.region.base = base;
    slab.region.total = total();
    each_level<1, levels>([&](auto i) {
      if constexpr (!shared_tier<std::tuple_element_t<i(), decltype(Config::tiers)>>) {
        std::get<i()>(mine.tiers).bytes = share_of(below_[i()], shards_, shard) * granule_bytes_;
      }
    });
    const std::size_t least = 2 * page_bytes(mine.shape, mine.layout.page_tokens);
    if (mine.stores.room_bytes >= least) mine.stores.room_bytes = (std::max)(mine.stores.room_bytes / shards_, least);
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
  by_level<std::size_t> below_{};  // granules of the levels below the slab
};

}  // namespace kvstrata
