// The way from host code to the copy kernel.
//
// A program that any compiler translates calls copy_kernels<>::launch; a .cu of the same program includes
// <kvstrata/cuda.cuh> (or <kvstrata/device/cuda/copy_kernels.cuh>), which has the definition. Without one the linker says
// that kvstrata::cuda::copy_kernels<void>::launch is missing.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template <class Tag = void>
struct copy_kernels
{
  /// Queues one kernel (several for long lists, one after the other) that moves all pieces, with at most `blocks` blocks:
  /// see copy_blocks (copy_pieces.hpp). Reads `pieces` during the call only; an empty list queues nothing. The stream's
  /// device must be current. Returns what the runtime said of the first launch that failed, after which nothing more
  /// is queued.
  [[nodiscard]] static cudaError_t launch(cudaStream_t stream, std::span<const copy_piece> pieces,
                                          std::uint32_t blocks);
};

extern template struct copy_kernels<>;

}  // namespace kvstrata::cuda
