// The copy kernel, and its launch for host code (copy_kernels.hpp). nvcc only.
#pragma once

#include <kvstrata/core/architectures.cuh>
#include <kvstrata/core/streaming_memory.cuh>
#include <kvstrata/device/cuda/copy_kernels.hpp>
#include <kvstrata/device/cuda/copy_pieces.hpp>

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template <class Table, class Architectures = architectures>
__global__ void __launch_bounds__(copy_threads, copy_blocks_beside_each_other)
    copy_kernel(const __grid_constant__ Table table)
{
  copy_pieces<Table, streaming_memory>{table}(blockIdx.x, gridDim.x, threadIdx.x);
}

template <class Tag>
cudaError_t copy_kernels<Tag>::launch(cudaStream_t stream, std::span<const copy_piece> pieces, std::uint32_t blocks)
{
  cudaError_t first = cudaSuccess;
  each_piece_table(pieces, [&](auto& table) {
    if (first != cudaSuccess) return;
    void* arguments[] = {&table};  // copied by the call
    first = cudaLaunchKernel(copy_kernel<std::remove_reference_t<decltype(table)>>,
                             dim3(busy_blocks(table.units, blocks)), dim3(copy_threads), arguments, 0, stream);
  });
  return first;
}

template struct copy_kernels<>;  // weak, in every file that includes this

}  // namespace kvstrata::cuda
