// exp4's kernels, for host code: see code_kernels.hpp.
#pragma once

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

extern template struct code_kernels<codec::exp4_coder>;

}  // namespace kvstrata::cuda
