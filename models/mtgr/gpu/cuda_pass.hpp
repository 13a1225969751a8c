// The model on an NVIDIA GPU, for .cpp files: link kvstrata_mtgr_cuda, which has the kernels.
#pragma once

#include "hstu/gpu/cuda_runner.hpp"
#include "mtgr/gpu/pass.hpp"

namespace mtgr::gpu {

extern template class model<hstu::gpu::cuda_runner>;
extern template class lane<hstu::gpu::cuda_runner>;
extern template class pass<hstu::gpu::cuda_runner>;

}  // namespace mtgr::gpu
