// Times of traces: milliseconds since any beginning, of any sign.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// From one time to another that is not before it: it may be more than a signed integer holds.
[[nodiscard]] constexpr std::uint64_t passed_ms(std::int64_t from, std::int64_t to) noexcept
{
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

}  // namespace kvstrata
