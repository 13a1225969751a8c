// What to wait for when a call came too early.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/device/event.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Is what is waited for a part that another lease computes? It comes with that lease's commit, or not at all, so the cache knows
/// when to call again (cache::wait_sync), and no device does.
[[nodiscard]] constexpr bool comes_by_commit(const pressure& why) noexcept
{
  return why.why == pressure::reason::arriving && why.by_commit;
}

/// Of other pressure whose reason is `arriving`: when this has come to pass, well or not, it is worth calling again. Throws
/// usage_error where that comes by a commit: a loop over it would call in vain until somebody else's thread commits, and for ever
/// where the lease is the caller's own.
[[nodiscard]] inline event arrival_of(const pressure& why)
{
  if (comes_by_commit(why)) {
    throw usage_error(
        "arrival_of: " + to_string(why) +
        "; no device tells when that is: ask comes_by_commit first, and wait with wait_sync of the cache");
  }
  return {static_cast<stream_id>(why.stream), why.point};
}

}  // namespace kvstrata
