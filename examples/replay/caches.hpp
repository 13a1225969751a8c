// The caches behind the cases. Every file caches_*.cpp knows some of them: a cache is a large template, and so they
// compile side by side.
#pragma once

#include "replay/cached_case.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace replay {

/// A case's cache, whatever its type.
struct cache_kind
{
  std::function<std::unique_ptr<served_case>(const serving_context&)> make;
  std::function<std::vector<token_split>(const workload&, const cache_sizes&)> simulate;
  std::function<std::size_t(const cache_sizes&)> device_bytes;  ///< it would take for users' pages
};

template <class Cache>
[[nodiscard]] cache_kind kind_of(const serving_style& style = {})
{
  return {[style](const serving_context& context) { return std::make_unique<cached_case<Cache>>(context, style); },
          [style](const workload& w, const cache_sizes& s) { return simulate<Cache>(w, s, style); },
          [style](const cache_sizes& s) { return cache_config<Cache>(s, style).device.bytes; }};
}

namespace caches {

using device = kvstrata::emulated_device;

/// default_cache's tiers, layout and, unless another is named, engine and write policy.
template <class Engine = kvstrata::batched_copy<>, class Writes = kvstrata::token_write_through>
using variant =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<device, kvstrata::evict_front>,
                                         kvstrata::pinned_arena<kvstrata::evict_front>>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<Engine, Writes>, kvstrata::lru, case_watcher>;

// Nothing where the key is another file's.
[[nodiscard]] std::optional<cache_kind> find_plain(std::string_view key);
[[nodiscard]] std::optional<cache_kind> find_engine(std::string_view key);
[[nodiscard]] std::optional<cache_kind> find_kernel(std::string_view key);
[[nodiscard]] std::optional<cache_kind> find_write(std::string_view key);
[[nodiscard]] std::optional<cache_kind> find_layout(std::string_view key);

}  // namespace caches
}  // namespace replay
