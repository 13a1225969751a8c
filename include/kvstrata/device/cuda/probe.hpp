// Is there a GPU? For tests, benchmarks and programs that can do without.
#pragma once

#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

struct gpu_report
{
  int count = 0;       ///< GPUs that can be used
  std::string reason;  ///< why there is none, to stand behind "because"; empty when there is one

  [[nodiscard]] explicit operator bool() const noexcept { return count > 0; }
};

/// Counts the GPUs. Throws nothing of its own, and makes no context.
[[nodiscard]] inline gpu_report probe_gpus()
{
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);  // leaves `count` alone when it fails
  if (code == cudaSuccess && count > 0) return {count, {}};
  if (code == cudaSuccess) return {0, "this machine has no GPU"};
  forget_error();
  return {0, (code == cudaErrorInsufficientDriver ? "this machine has no NVIDIA driver, or one too old: "
                                                  : "no GPU can be used: ") +
                 ("cudaGetDeviceCount returned " + text_of(code))};
}

}  // namespace kvstrata::cuda
