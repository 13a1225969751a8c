// int8's kernels (int8_kernels.hpp). nvcc only.
#pragma once

#include <kvstrata/device/cuda/codes/head_kernels.cuh>
#include <kvstrata/device/cuda/codes/int8_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template struct code_kernels<codec::int8::bound>;  // weak, in every file that includes this

}  // namespace kvstrata::cuda
