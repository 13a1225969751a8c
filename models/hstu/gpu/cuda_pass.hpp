// The model on an NVIDIA GPU, for .cpp files: link kvstrata_hstu_cuda, which has the kernels.
#pragma once

#include "hstu/gpu/cuda_runner.hpp"
#include "hstu/gpu/recompute.hpp"

namespace hstu::gpu {

extern template class model<cuda_runner>;
extern template class lane<cuda_runner>;
extern template class pass<cuda_runner>;
extern template class scratch_pages<cuda_runner>;

}  // namespace hstu::gpu
