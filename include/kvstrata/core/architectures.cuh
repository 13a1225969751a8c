// The GPU architectures that a file is compiled for: a part of every kernel's name. Otherwise two files of one program that
// are compiled for different ones would share one kernel, and the linker would keep either. nvcc only.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

using architectures = std::integer_sequence<int, __CUDA_ARCH_LIST__>;

}  // namespace kvstrata
