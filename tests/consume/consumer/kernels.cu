#include <kvstrata/cuda.cuh>
