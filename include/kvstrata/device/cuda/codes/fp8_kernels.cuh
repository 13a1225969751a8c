// fp8's kernels (fp8_kernels.hpp). nvcc only.
#pragma once

#include <kvstrata/device/cuda/codes/fp8_kernels.hpp>
#include <kvstrata/device/cuda/codes/head_kernels.cuh>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template struct code_kernels<codec::fp8::bound>;  // weak, in every file that includes this

}  // namespace kvstrata::cuda
