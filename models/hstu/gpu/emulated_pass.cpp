#include "hstu/gpu/emulated_pass.hpp"

namespace hstu::gpu {

template class model<emulated_runner>;
template class lane<emulated_runner>;
template class pass<emulated_runner>;
template class scratch_pages<emulated_runner>;

}  // namespace hstu::gpu
