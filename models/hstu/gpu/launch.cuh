// Launches a kernel (block.hpp) on a GPU.
#pragma once

#include "hstu/gpu/block.hpp"
#include "hstu/gpu/hardware_block.cuh"

#include <kvstrata/core/error.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace hstu::gpu {

/// The object is the kernel's argument and stays in constant memory.
template <kernel Kernel>
__global__ void __launch_bounds__(Kernel::threads, Kernel::blocks_per_sm) run_kernel(const __grid_constant__ Kernel k)
{
  hardware_block block;
  k(block);
}

namespace detail {

inline void check_launch(cudaError_t status, const char* call, std::uint32_t blocks, std::uint32_t threads,
                         std::uint32_t shared_bytes)
{
  if (status == cudaSuccess) return;
  throw kvstrata::device_error(std::string(call) + " failed with " + cudaGetErrorName(status) + " (" +
                               cudaGetErrorString(status) + ") for a kernel of " + std::to_string(blocks) +
                               " blocks of " + std::to_string(threads) + " threads with " +
                               std::to_string(shared_bytes) + " bytes of shared memory");
}

}  // namespace detail

/// Queues the kernel on a stream of the current device. Does not block; nothing for 0 blocks. Throws
/// kvstrata::device_error naming the call that failed and the shape of the launch.
template <kernel Kernel>
void launch(cudaStream_t stream, const Kernel& k)
{
  static constexpr std::uint32_t granted = 48 << 10;  // shared memory that every launch may have
  const std::uint32_t blocks = k.blocks();
  const std::uint32_t bytes = k.shared_bytes();
  if (blocks == 0) return;
  const auto check = [&](cudaError_t status, const char* call) {
    detail::check_launch(status, call, blocks, Kernel::threads, bytes);
  };
  if (bytes * Kernel::blocks_per_sm > granted) {
    // The same values from every thread that launches this kernel, whatever else is launched meanwhile.
    int device = 0, most = 0, of_sm = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&of_sm, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device),
          "cudaDeviceGetAttribute");
    const auto wanted = static_cast<int>((bytes + 1024) * Kernel::blocks_per_sm);  // 1 KiB a block is the system's
    const int share = (std::min)(100, (wanted * 100 + of_sm - 1) / of_sm);
    check(cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
          "cudaFuncSetAttribute");
    check(cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributePreferredSharedMemoryCarveout, share),
          "cudaFuncSetAttribute");
  }
  run_kernel<Kernel><<<blocks, Kernel::threads, bytes, stream>>>(k);
  check(cudaGetLastError(), "a kernel launch");
}

}  // namespace hstu::gpu
