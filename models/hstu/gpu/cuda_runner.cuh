// How cuda_runner launches kernels.
#pragma once

#include "hstu/gpu/cuda_runner.hpp"
#include "hstu/gpu/launch.cuh"

namespace hstu::gpu {

template <kernel Kernel>
void cuda_runner::launch(kvstrata::stream_id stream, std::string_view label, const Kernel& k)
{
  if (k.blocks() == 0) return;
  device_.launch(stream, {label}, [&](cudaStream_t on) { gpu::launch(on, k); });
}

}  // namespace hstu::gpu
