// The scheduler of an emulated device, by how its time passes.
#pragma once

#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/real_time.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/emulated/virtual_time.hpp>

#include <memory>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Throws config_error when the configuration is nonsense.
[[nodiscard]] inline std::unique_ptr<scheduler> make_scheduler(const emulated_device_config& config)
{
  check(config);
  if (config.time == time_mode::real) return std::make_unique<real_time>(config);
  return std::make_unique<virtual_time>(config);
}

}  // namespace kvstrata::emulated
