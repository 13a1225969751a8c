// All of a pass but its products, which HSTU's runner has.
#include "decoder/gpu/cuda_pass.hpp"

#include "hstu/gpu/cuda_runner.cuh"

namespace decoder::gpu {

template class model<hstu::gpu::cuda_runner>;
template class lane<hstu::gpu::cuda_runner>;
template class pass_rows<hstu::gpu::cuda_runner>;
template class prompt_pass<hstu::gpu::cuda_runner>;
template class beam_pass<hstu::gpu::cuda_runner>;

}  // namespace decoder::gpu
