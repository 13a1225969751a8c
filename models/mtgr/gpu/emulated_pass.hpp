// The model on an emulated device, compiled once: link kvstrata_mtgr_gpu.
#pragma once

#include "hstu/gpu/emulated_runner.hpp"
#include "mtgr/gpu/pass.hpp"

namespace mtgr::gpu {

extern template class model<hstu::gpu::emulated_runner>;
extern template class lane<hstu::gpu::emulated_runner>;
extern template class pass<hstu::gpu::emulated_runner>;

}  // namespace mtgr::gpu
