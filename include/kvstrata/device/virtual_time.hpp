// Does time pass by itself on a device, or does it when the host waits?
#pragma once

#include <kvstrata/device/emulated/config.hpp>

#include <concepts>

namespace kvstrata {

/// False for a device that knows no other time than everybody's.
template <class Device>
[[nodiscard]] bool is_in_virtual_time(const Device& d) noexcept
{
  if constexpr (requires {
                  { d.config().time } -> std::convertible_to<time_mode>;
                }) {
    return d.config().time == time_mode::virtual_time;
  } else {
    return false;
  }
}

}  // namespace kvstrata
