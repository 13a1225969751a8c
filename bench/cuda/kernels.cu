// What nvcc adds to the benchmarks: the library's kernels.
#include <kvstrata/cuda.cuh>
