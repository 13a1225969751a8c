// The kernels of the lossy codecs, as a program's .cu brings them, for code_kernel_test.
#include <kvstrata/device/cuda/codes/lossy_kernels.cuh>
