// The decoder on an emulated device, compiled once: link kvstrata_decoder_gpu.
#pragma once

#include "decoder/gpu/beam_pass.hpp"
#include "decoder/gpu/prompt_pass.hpp"

#include "hstu/gpu/emulated_runner.hpp"

namespace decoder::gpu {

extern template class model<hstu::gpu::emulated_runner>;
extern template class lane<hstu::gpu::emulated_runner>;
extern template class pass_rows<hstu::gpu::emulated_runner>;
extern template class prompt_pass<hstu::gpu::emulated_runner>;
extern template class beam_pass<hstu::gpu::emulated_runner>;

}  // namespace decoder::gpu
