// What a cache refuses by itself, in sentences.
#pragma once

#include <kvstrata/cache/said_costs.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/move/copy_lanes.hpp>
#include <kvstrata/plan/vouchers.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// The configuration, if it is right; the tiers check their own part.
template <class Config>
const Config& checked(const Config& c)
{
  check_pages(c.shape, c.layout);
  check(c.writes);
  check(c.costs, "costs");
  if constexpr (requires { check(c.split); }) check(c.split);
  check_kept_stretches(c.kept_stretches);
  check_copy_lanes(c.copy_lanes);
  return c;
}

inline void require_newer(epoch_id epoch, epoch_id now)
{
  if (epoch > now) return;
  throw usage_error("advance_epoch: epoch " + std::to_string(to_number(epoch)) + " is not newer than the cache's, " +
                    std::to_string(to_number(now)));
}

inline void require_same(const geometry& models, const geometry& mine)
{
  if (models == mine) return;
  throw geometry_error("the model's KV is " + to_string(models) + ", but the cache was built for " + to_string(mine) +
                       "; build a new cache for it");
}

}  // namespace kvstrata::detail
