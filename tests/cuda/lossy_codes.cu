// The kernels of the lossy codecs, for code_kernel_test.
#include <kvstrata/device/cuda/codes/fp8_kernels.cuh>
#include <kvstrata/device/cuda/codes/int4_kernels.cuh>
#include <kvstrata/device/cuda/codes/int8_kernels.cuh>
