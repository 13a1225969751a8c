// The model on an emulated device, compiled once: link kvstrata_hstu_gpu.
#pragma once

#include "hstu/gpu/emulated_runner.hpp"
#include "hstu/gpu/recompute.hpp"

namespace hstu::gpu {

extern template class model<emulated_runner>;
extern template class lane<emulated_runner>;
extern template class pass<emulated_runner>;
extern template class scratch_pages<emulated_runner>;

}  // namespace hstu::gpu
