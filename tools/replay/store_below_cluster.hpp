// A redis_cluster below a case's memories. To be included before the cache is made a case of.
#pragma once

#include "replay/format.hpp"
#include "replay/store_below.hpp"

#include <kvstrata/tiers/redis/local_cluster.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>

namespace replay {

/// The third tier is the store. It outlives the cache.
template <class Cache>
  requires(std::tuple_size_v<decltype(typename Cache::config{}.tiers)> == 3 && third_tier_is<Cache>("redis_cluster"))
class store_below<Cache>
{
 public:
  static constexpr bool is_there = true;

  /// Throws config_error, error: redis_cluster's sentences.
  store_below(typename Cache::device_type& d, const cache_sizes& s)
      : room_bytes_((std::max)(2 * s.page_bytes(), (std::min)(std::size_t{64} << 20U, 4 * s.window_bytes))),
        store_(d, config_of(s))
  {
  }

  [[nodiscard]] typename Cache::config joined(typename Cache::config c)
  {
    std::get<2>(c.tiers).store = &store_;
    c.stores.room_bytes = room_bytes_;
    return c;
  }

  [[nodiscard]] std::string remark() const
  {
    const kvstrata::redis::cluster_figures f = store_.figures();
    return "The cluster has " + with_commas(f.servers) + " masters; " + bytes_text(f.counts.put_bytes) + " were put, " +
           bytes_text(f.counts.got_bytes) + " got in " + with_commas(f.counts.gets) + " gets, " +
           with_commas(f.counts.missing) + " values were missing, " +
           with_commas(f.counts.foreign + f.counts.damaged + f.counts.older) + " not what they should be, and " +
           with_commas(f.counts.timeouts + f.counts.broken + f.counts.away) + " I/Os met a server that did not answer.";
  }

 private:
  [[nodiscard]] static kvstrata::redis_cluster_config config_of(const cache_sizes& s)
  {
    kvstrata::redis_cluster_config c = kvstrata::redis::cluster_config_of(s.cluster);
    c.prefix = s.cluster_prefix;
    c.layers = s.shape.layers;
    c.known_seconds = 0.25;  // others add to users meanwhile
    c.request_seconds = 5;   // beside models on the same cores
    return c;
  }

  std::size_t room_bytes_;
  mutable kvstrata::redis_cluster_on<typename Cache::device_type> store_;
};

}  // namespace replay
