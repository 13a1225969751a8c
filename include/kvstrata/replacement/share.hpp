// A share of a tier's room.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `percent` percent of `whole`, rounded down, for any `whole`. `percent` is at most 100.
[[nodiscard]] constexpr std::uint64_t share(std::uint64_t whole, std::uint64_t percent) noexcept
{
  return whole / 100 * percent + whole % 100 * percent / 100;
}

}  // namespace kvstrata
