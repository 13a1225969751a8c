// The kernel of append_rows (append_rows.hpp), and its launch. nvcc only.
#pragma once

#include <kvstrata/core/architectures.cuh>
#include <kvstrata/core/streaming_memory.cuh>
#include <kvstrata/layout/append_rows.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Architectures = architectures>
__global__ void __launch_bounds__(append_threads)
    append_kernel(const __grid_constant__ append_rows<streaming_memory> body)
{
  body(blockIdx.x, gridDim.x, threadIdx.x);
}

/// Queues writing the rows into their pages; no rows queue nothing. All that `to` and `from` point to is in memory that the
/// GPU can reach and stays until the kernel has run. The stream's device must be current. Throws as check(to, from)
/// does; returns what the runtime says of the launch.
[[nodiscard]] inline cudaError_t launch_append_rows(cudaStream_t stream, const paged_layer& to, const new_rows& from)
{
  check(to, from);
  if (from.rows == 0) return cudaSuccess;
  append_rows<streaming_memory> body{.to = to, .from = from, .width = append_width(to, from)};
  for (std::uint32_t first = 0; first < from.rows; first += body.from.rows) {
    body.from = part_of(from, first, (std::min)(body.most_rows(), from.rows - first));
    void* arguments[] = {&body};
    const cudaError_t queued =
        cudaLaunchKernel(append_kernel<>, dim3(body.blocks()), dim3(append_threads), arguments, 0, stream);
    if (queued != cudaSuccess) return queued;
  }
  return cudaSuccess;
}

}  // namespace kvstrata
