// int4's kernels (int4_kernels.hpp). nvcc only.
#pragma once

#include <kvstrata/codec/kernels/channel_coder.hpp>
#include <kvstrata/device/cuda/codes/head_kernels.cuh>
#include <kvstrata/device/cuda/codes/int4_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template struct code_kernels<codec::int4::bound>;  // weak, in every file that includes this

}  // namespace kvstrata::cuda
