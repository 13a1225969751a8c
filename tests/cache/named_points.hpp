// The caches of cache/named_caches.hpp, on any device, as points that a random walk takes.
#pragma once

#include "cache/subject.hpp"

#include <kvstrata/transfer/split_policy.hpp>

#include <memory>
#include <string>

namespace kvstrata_test {

/// `Cache` counts with kvstrata::counters. Pages, chunks and tiers are as tiny as a combination's.
template <class Cache>
struct named_cache
{
  using config = typename Cache::config;
  static constexpr bool cuts = requires(config c) { c.split.cost; };

  static std::unique_ptr<any_cache> make(typename Cache::device_type& d, const sizes& s)
  {
    config c{.shape = tiny};
    set_tiers(c, s);
    c.layout.page_tokens = tiny_page;
    if constexpr (requires { c.layout.chunk; }) c.layout.chunk = tiny_chunk;
    if constexpr (cuts) {  // in the middle of tiny histories
      c.split.cost = {
          .seconds_per_token = 1, .seconds_per_pair = 0.1, .fetch_seconds_per_token = 2, .layers = tiny.layers};
    }
    return std::make_unique<some_cache<Cache>>(d, c);
  }

  static facts about(const sizes& s)
  {
    facts f{.name = "a named cache", .axes = {}, .levels = std::tuple_size_v<decltype(config::tiers)>, .cuts = cuts};
    f.set_sizes(s);
    return f;
  }
};

template <class Cache>
inline constexpr point_on<typename Cache::device_type> named_point{&named_cache<Cache>::about,
                                                                   &named_cache<Cache>::make};

}  // namespace kvstrata_test
