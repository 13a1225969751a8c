#include "decoder/gpu/emulated_pass.hpp"

namespace decoder::gpu {

template class model<hstu::gpu::emulated_runner>;
template class lane<hstu::gpu::emulated_runner>;
template class pass_rows<hstu::gpu::emulated_runner>;
template class prompt_pass<hstu::gpu::emulated_runner>;
template class beam_pass<hstu::gpu::emulated_runner>;

}  // namespace decoder::gpu
