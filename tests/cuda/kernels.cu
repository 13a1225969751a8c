// What nvcc adds to the tests' programs: the library's kernels.
#include <kvstrata/cuda.cuh>
