// The caches behind the cases. Every pair caches_*.{hpp,cpp} knows a family of them: a cache is a large template, and so they
// compile side by side.
#pragma once

#include "replay/cached_case.hpp"

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

namespace replay {

/// A case's cache, whatever its type, at some kind of place (cpu_place.hpp).
template <class Place>
struct cache_kind
{
  std::function<std::unique_ptr<served_case>(const serving_context&, const typename Place::machine&)> make;
  std::function<std::vector<token_split>(const workload&, const cache_sizes&)>
      simulate;                                                 ///< empty on real devices, over stores
  std::function<std::size_t(const cache_sizes&)> device_bytes;  ///< it would take for users' pages
};

template <class Cache, class Place>
[[nodiscard]] cache_kind<Place> kind_of(const serving_style& style = {})
{
  cache_kind<Place> kind;
  constexpr bool has_store = store_below<Cache>::is_there;
  kind.make = [style](const serving_context& context, const typename Place::machine& machine) {
    return std::make_unique<cached_case<Cache, Place>>(context, machine, style);
  };
  if constexpr (std::same_as<typename Cache::device_type, kvstrata::emulated_device> && !has_store) {
    kind.simulate = [style](const workload& w, const cache_sizes& s) { return simulate<Cache>(w, s, style); };
  }
  kind.device_bytes = [style](const cache_sizes& s) { return std::get<0>(cache_config<Cache>(s, style).tiers).bytes; };
  return kind;
}

namespace caches {

/// default_cache's tiers, layout and, unless another is named, engine and write policy.
template <class Device, class Engine = kvstrata::batched_copy<>, class Writes = kvstrata::token_write_through>
using variant =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<Device, kvstrata::evict_front>,
                                         kvstrata::pinned_arena<Writes, kvstrata::evict_front>>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<Engine>, kvstrata::lru, case_tracker>;

// Nothing where the key is another family's. Defined in caches_*.hpp, or in a .cpp file where only the replay runs
// them, and instantiated where a place needs them.
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_plain(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_engine(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_kernel(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_write(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_layout(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_store(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_cluster(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_lossless(std::string_view key);
template <class Place>
[[nodiscard]] std::optional<cache_kind<Place>> find_lossy(std::string_view key);

}  // namespace caches
}  // namespace replay
