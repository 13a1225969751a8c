// The time of a device: what it is, and whether it passes by itself or when the host waits.
#pragma once

#include <kvstrata/device/emulated/config.hpp>

#include <chrono>
#include <concepts>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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

/// The device's time, in seconds from somewhere; everybody's, where it has none of its own.
template <class Device>
[[nodiscard]] double seconds_on(const Device& d) noexcept
{
  if constexpr (requires {
                  { d.now() } -> std::convertible_to<double>;
                }) {
    return d.now();
  } else {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
}

}  // namespace kvstrata
