#include "mtgr/gpu/emulated_pass.hpp"

namespace mtgr::gpu {

template class model<hstu::gpu::emulated_runner>;
template class lane<hstu::gpu::emulated_runner>;
template class pass<hstu::gpu::emulated_runner>;

}  // namespace mtgr::gpu
