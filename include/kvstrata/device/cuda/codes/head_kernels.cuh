// What the kernels of int8 and fp8 have in common: bodies, and arithmetic that gives the host's bits. nvcc only.
#pragma once

#include <kvstrata/codec/kernels/head_decoder.hpp>
#include <kvstrata/codec/kernels/head_encoder.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.cuh>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not fused with what is added.
template <>
struct block_product<cuda::block_machine>
{
  [[nodiscard]] static __device__ float of(float a, float b) { return __fmul_rn(a, b); }
};

}  // namespace kvstrata
