// The two places where a device has memory, and what to say when there is no more of it.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// The number is an index into bounds and sums.
enum class memory_place : std::uint8_t { device, pinned };

[[nodiscard]] inline std::string name_of(memory_place place, std::string_view name)
{
  return (place == memory_place::device ? "device memory '" : "pinned memory '") + std::string(name) + "'";
}

/// Throws usage_error for 0 bytes, capacity_error when fewer than `bytes` of `bound` are left; 0: unbounded.
inline void require_room(memory_place place, std::string_view name, std::size_t bytes, std::size_t used,
                         std::size_t bound)
{
  if (bytes == 0) throw usage_error(name_of(place, name) + " was asked for with 0 bytes");
  if (bound == 0 || bytes <= bound - used) return;
  throw capacity_error(name_of(place, name) + " needs " + std::to_string(bytes) + " bytes, but only " +
                       std::to_string(bound - used) + " of " + std::to_string(bound) + " are free");
}

}  // namespace kvstrata::detail
