// exp4's kernels (exp4_kernels.hpp). nvcc only.
#pragma once

#include <kvstrata/codec/kernels/exp4_decoder.hpp>
#include <kvstrata/codec/kernels/exp4_encoder.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.cuh>
#include <kvstrata/device/cuda/codes/exp4_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template struct code_kernels<codec::exp4_coder>;  // weak, in every file that includes this

}  // namespace kvstrata::cuda
