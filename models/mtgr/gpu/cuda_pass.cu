// All of a pass but what HSTU's runner has: attention and products.
#include "hstu/gpu/cuda_runner.cuh"
#include "mtgr/gpu/cuda_pass.hpp"

namespace mtgr::gpu {

template class model<hstu::gpu::cuda_runner>;
template class lane<hstu::gpu::cuda_runner>;
template class pass<hstu::gpu::cuda_runner>;

}  // namespace mtgr::gpu
