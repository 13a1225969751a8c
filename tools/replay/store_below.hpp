// What a case's cache has below its memories.
#pragma once

#include "replay/sizes.hpp"

#include <kvstrata/tiers/stores/concepts.hpp>

#include <string>
#include <string_view>

namespace replay {

/// Is the third tier of a cache, where there is one, the store of this name?
template <class Cache>
[[nodiscard]] consteval bool third_tier_is(std::string_view name)
{
  using tiers = typename Cache::config::tiers_type;
  return kvstrata::name_of_store<typename tiers::template tier<2>>() == name;
}

/// Of a cache of memories only: nothing. Of one over a store: store_below_nvme.hpp, store_below_cluster.hpp.
template <class Cache>
class store_below
{
 public:
  static constexpr bool is_there = false;

  template <class Device>
  store_below(Device& /*device*/, const cache_sizes& /*sizes*/)
  {
  }

  [[nodiscard]] typename Cache::config joined(typename Cache::config c) const { return c; }
  [[nodiscard]] std::string remark() const { return {}; }
};

}  // namespace replay
