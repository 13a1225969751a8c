// All of a pass but its attention (cuda_attention.cu) and its products (cublas_products.cpp); and the library's own
// kernels, so that programs of .cpp files need no .cu of their own.
#include "hstu/gpu/cuda_pass.hpp"
#include "hstu/gpu/cuda_runner.cuh"

#include <kvstrata/cuda.cuh>

namespace hstu::gpu {

template class model<cuda_runner>;
template class lane<cuda_runner>;
template class pass<cuda_runner>;
template class scratch_pages<cuda_runner>;

}  // namespace hstu::gpu
