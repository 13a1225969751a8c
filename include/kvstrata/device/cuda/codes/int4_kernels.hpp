// int4's kernels, for host code: see code_kernels.hpp.
#pragma once

#include <kvstrata/codec/int4.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

extern template struct code_kernels<codec::int4::bound>;

}  // namespace kvstrata::cuda
