// What a device counts of what it was asked for: the same words for every device that counts.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a device has been asked for since its construction.
struct device_counters
{
  struct traffic
  {
    std::uint64_t copies = 0;  ///< calls: a batch is one, a copy kernel none
    std::uint64_t bytes = 0;
    std::uint64_t pieces = 0;  ///< a plain copy is one
    friend bool operator==(const traffic&, const traffic&) = default;
  };
  struct stream
  {
    std::string name;
    double busy_seconds = 0;   ///< time in copies, kernels and fills
    double stall_seconds = 0;  ///< time spent in wait() on another stream's event with further work behind it
    friend bool operator==(const stream&, const stream&) = default;
  };
  traffic to_device;  ///< by copies, batches and copy kernels
  traffic from_device;
  traffic on_device;             ///< by copy kernels
  traffic on_host;               ///< from host memory to host memory
  std::uint64_t kernels = 0;     ///< copy kernels are among them
  std::uint64_t fills = 0;       ///< fill and poison
  std::uint64_t host_waits = 0;  ///< wait_sync calls that found their event not yet complete
  double host_wait_seconds = 0;  ///< time the host spent in them
  std::vector<stream> streams;   ///< [number of the stream]

  [[nodiscard]] traffic& by(copy_route route) noexcept
  {
    switch (route) {
      case copy_route::to_device: return to_device;
      case copy_route::from_device: return from_device;
      case copy_route::on_device: return on_device;
      case copy_route::on_host: break;
    }
    return on_host;
  }
  /// Operations queued, waits left out.
  [[nodiscard]] std::uint64_t launches() const noexcept
  {
    return to_device.copies + from_device.copies + on_host.copies + kernels + fills;
  }
};

}  // namespace kvstrata
