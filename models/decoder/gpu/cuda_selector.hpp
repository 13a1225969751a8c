// Beam selection on an NVIDIA GPU, for code that any compiler translates: cuda_selector.cu has what is behind it.
#pragma once

#include "decoder/gpu/device_selection.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>

namespace decoder::gpu {

/// Sorts by CUB. Its temporary memory grows to what the largest step wanted, and stays. One thread, one stream at a time.
class cuda_selector
{
 public:
  cuda_selector() = default;
  ~cuda_selector();
  cuda_selector(const cuda_selector&) = delete;
  cuda_selector& operator=(const cuda_selector&) = delete;

  /// Queues a step on a stream of the current device. Does not block, but where temporary memory grows. Throws
  /// kvstrata::device_error naming the call that failed.
  void select(cudaStream_t stream, const selection_step& step);

 private:
  struct machine;

  void* temporary_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace decoder::gpu
