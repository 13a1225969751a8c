// What to wait for when a call came too early.
#pragma once

#include <kvstrata/core/result.hpp>
#include <kvstrata/device/event.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of pressure whose reason is `arriving`: when this has come to pass, well or not, it is worth calling again.
[[nodiscard]] constexpr event arrival_of(const pressure& why) noexcept
{
  return {static_cast<stream_id>(why.stream), why.point};
}

}  // namespace kvstrata
