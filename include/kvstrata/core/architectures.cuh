// The GPU architectures that a file is compiled for: a part of every kernel's name. Otherwise two files of one program that
// are compiled for different ones would share one kernel, and the linker would keep either. nvcc only.
#pragma once

#include <utility>

namespace kvstrata {

using architectures = std::integer_sequence<int, __CUDA_ARCH_LIST__>;

}  // namespace kvstrata
