// An emulated device on which everything is poisoned that nobody has written; watched, it checks the order of accesses.
#pragma once

#include "hstu/gpu/emulated_pass.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>

namespace hstu_gpu_test {

template <std::uint32_t Multiprocessors, bool Watched = true>
class emulated_machine_of
{
 public:
  using runner = hstu::gpu::emulated_runner;
  static constexpr bool bitwise = Multiprocessors == 0;  // else blocks share long histories as it suits the batch

  [[nodiscard]] runner& machine() noexcept { return runner_; }

 private:
  static kvstrata::emulated_device_config poisoned()
  {
    kvstrata::emulated_device_config c;
    c.poison_freed = true;
    c.check_ordering = Watched;
    return c;
  }

  kvstrata::emulated_device device_{poisoned()};
  runner runner_{device_, Multiprocessors};
};

using emulated_machine = emulated_machine_of<0>;

}  // namespace hstu_gpu_test
