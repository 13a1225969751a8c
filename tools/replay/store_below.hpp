// What a case's cache has below its memories.
#pragma once

#include "replay/sizes.hpp"

#include <string>

namespace replay {

/// Of a cache of memories only: nothing. Of one over a store: store_below_nvme.hpp.
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
