// The decoder on an NVIDIA GPU, for .cpp files: link kvstrata_decoder_cuda, which has the kernels.
#pragma once

#include "decoder/gpu/beam_pass.hpp"
#include "decoder/gpu/prompt_pass.hpp"

#include "hstu/gpu/cuda_runner.hpp"

namespace decoder::gpu {

extern template class model<hstu::gpu::cuda_runner>;
extern template class lane<hstu::gpu::cuda_runner>;
extern template class pass_rows<hstu::gpu::cuda_runner>;
extern template class prompt_pass<hstu::gpu::cuda_runner>;
extern template class beam_pass<hstu::gpu::cuda_runner>;

}  // namespace decoder::gpu
