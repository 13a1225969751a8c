// int8's kernels, for host code: see code_kernels.hpp.
#pragma once

#include <kvstrata/codec/int8.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

extern template struct code_kernels<codec::int8::bound>;

}  // namespace kvstrata::cuda
