// A GPU on which everything is poisoned that nobody has written.
#pragma once

#include "hstu/gpu/cuda_pass.hpp"

#include <kvstrata/device/cuda_device.hpp>

namespace hstu_gpu_test {

class cuda_machine
{
 public:
  using runner = hstu::gpu::cuda_runner;
  static constexpr bool bitwise = false;  // cuBLASLt takes other kernels for other numbers of rows

  [[nodiscard]] runner& machine() noexcept { return runner_; }

 private:
  static kvstrata::cuda_device_config poisoned()
  {
    kvstrata::cuda_device_config c;
    c.poison_freed = true;
    return c;
  }

  kvstrata::cuda_device device_{poisoned()};
  runner runner_{device_};
};

}  // namespace hstu_gpu_test
