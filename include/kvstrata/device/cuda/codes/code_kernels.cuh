// The kernels that encode and decode, of any coder that has bodies (codec/kernels/block_coder.hpp), and their launch for host code
// (code_kernels.hpp). A coder's own .cuh includes its bodies and this, and instantiates code_kernels: exp4_kernels.cuh.
// nvcc only.
#pragma once

#include <kvstrata/codec/kernels/block_coder.hpp>
#include <kvstrata/core/architectures.cuh>
#include <kvstrata/core/streaming_memory.cuh>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>
#include <kvstrata/device/cuda/codes/code_table.hpp>

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// A thread of a block on a GPU.
struct block_machine : streaming_memory
{
  [[nodiscard]] static __device__ std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t selectors)
  {
    return __byte_perm(low, high, selectors);
  }
  static __device__ void add(std::uint32_t& word, std::uint32_t n) { atomicAdd(&word, n); }
  static __device__ void set_bits(std::uint32_t& word, std::uint32_t bits) { atomicOr(&word, bits); }
};

template <class Body, class Task, std::uint32_t... Phases>
__device__ void do_phases(const Task& task, typename Body::shared& all, std::integer_sequence<std::uint32_t, Phases...>)
{
  typename Body::mine my;
  (
      [&] {
        Body::template phase<Phases>(task, threadIdx.x, my, all);
        __syncthreads();
      }(),
      ...);
}

template <class Body, class Coder, class Table, class Architectures = architectures>
__global__ void __launch_bounds__(Body::threads, code_blocks_beside_each_other)
    code_kernel(const __grid_constant__ Coder coder, const __grid_constant__ Table table, code_counts* counts)
{
  __shared__ typename Body::shared all;
  Body::set_up(coder, threadIdx.x, all);
  __syncthreads();
  each_unit_of_block(table, blockIdx.x, gridDim.x, coder.units(), [&](std::uint32_t unit, const code_piece& piece) {
    const unit_task<Coder> task{coder, piece, unit, counts};
    do_phases<Body>(task, all, std::make_integer_sequence<std::uint32_t, Body::phases>());
  });
}

template <list_coder Coder>
cudaError_t code_kernels<Coder>::launch(cudaStream_t stream, code_way way, const Coder& coder,
                                        std::span<const code_piece> pieces, std::uint32_t blocks, code_counts* counts)
{
  static_assert(sizeof(Coder) <= most_coder_bytes, "a coder is a parameter of its kernels: they have 4 KiB for all");
  if (!are_aligned(pieces)) return cudaErrorMisalignedAddress;
  cudaError_t first = cudaSuccess;
  each_code_table(pieces, coder.units(), [&](auto& table) {
    if (first != cudaSuccess) return;
    Coder told = coder;
    void* arguments[] = {&told, &table, &counts};  // copied by the call
    const auto queue = [&]<class Body>(std::type_identity<Body>) {
      const std::uint32_t most = blocks == 0 ? 1 : blocks;
      return cudaLaunchKernel(code_kernel<Body, Coder, std::remove_reference_t<decltype(table)>>,
                              dim3(table.units < most ? table.units : most), dim3(Body::threads), arguments, 0, stream);
    };
    first = way == code_way::encode ? queue(std::type_identity<block_encoder<Coder, block_machine>>())
                                    : queue(std::type_identity<block_decoder<Coder, block_machine>>());
  });
  return first;
}

}  // namespace kvstrata::cuda
