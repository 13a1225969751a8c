// What the runtime tells of a GPU.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/probe.hpp>
#include <kvstrata/device/cuda/stream_wait.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

struct gpu
{
  int ordinal = 0;
  std::string name;
  std::uint32_t multiprocessors = 1;
  std::string why_not_registered;  ///< why host memory cannot be registered and used by its own address; empty: it can
  stream_wait let_wait;            ///< for words that the host writes, or why not
};

/// Throws device_error when no GPU can be used, config_error when there is none of that number.
[[nodiscard]] inline gpu open_gpu(const cuda_device_config& config)
{
  const gpu_report gpus = probe_gpus();
  if (!gpus) throw device_error("a CUDA device cannot be made: " + gpus.reason);
  check(config, gpus.count);
  const auto require = [&](call_result result) {
    if (result) return;
    forget_error();
    throw device_error(sentence_of(result, "opening GPU " + std::to_string(config.ordinal)));
  };
  const current_device here(config.ordinal);
  require(here.result());
  const auto ask = [&](cudaDeviceAttr what) {
    int value = 0;
    require({cudaDeviceGetAttribute(&value, what, config.ordinal), "cudaDeviceGetAttribute"});
    return value;
  };
  cudaDeviceProp properties{};
  require({cudaGetDeviceProperties(&properties, config.ordinal), "cudaGetDeviceProperties"});
  gpu out;
  out.ordinal = config.ordinal;
  out.name = properties.name;
  out.multiprocessors = static_cast<std::uint32_t>(ask(cudaDevAttrMultiProcessorCount));
  if (ask(cudaDevAttrHostRegisterSupported) == 0) out.why_not_registered = out.name + " cannot register host memory";
  else if (ask(cudaDevAttrCanUseHostPointerForRegisteredMem) == 0)
    out.why_not_registered = out.name + " cannot use registered host memory by its own address";
  out.let_wait = stream_wait::find(config.ordinal, out.name);
  return out;
}

/// "; 17 of 42 bytes are free on GPU 0, NVIDIA H200", or nothing. That GPU is current.
[[nodiscard]] inline std::string free_memory_of(const gpu& g)
{
  std::size_t free = 0;
  std::size_t total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) {
    forget_error();
    return {};
  }
  return "; " + std::to_string(free) + " of " + std::to_string(total) + " bytes are free on GPU " +
         std::to_string(g.ordinal) + ", " + g.name;
}

}  // namespace kvstrata::cuda
