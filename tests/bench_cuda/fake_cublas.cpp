// What the benchmarks call beyond tests/cuda/runtime, so that they run on the fake CUDA runtime: cuBLAS, whose product
// queues nothing, and the runtime's versions. At the end, what was never right and what was never given back is told,
// and the program fails.
#include "cuda/runtime/fake_runtime.hpp"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace {

class last_words
{
 public:
  last_words() { static_cast<void>(fake_runtime::problems()); }  // so that the fake runtime outlives it
  last_words(const last_words&) = delete;
  last_words& operator=(const last_words&) = delete;
  ~last_words()
  {
    const auto problems = fake_runtime::problems();
    for (const auto& problem : problems) std::fprintf(stderr, "fake CUDA runtime: %s\n", problem.c_str());
    const bool all_back = fake_runtime::alive() == fake_runtime::census{};
    if (!all_back) std::fprintf(stderr, "fake CUDA runtime: something was not given back\n");
    if (all_back && problems.empty()) return;
    std::fflush(stdout);
    std::_Exit(3);
  }
};

const last_words at_the_end;

}  // namespace

extern "C" {

cublasStatus_t CUBLASWINAPI cublasCreate_v2(cublasHandle_t* handle)
{
  *handle = reinterpret_cast<cublasHandle_t>(std::malloc(1));  // never looked into
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasDestroy_v2(cublasHandle_t handle)
{
  std::free(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasSetStream_v2(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t CUBLASWINAPI cublasGemmEx(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                                         const void*, const void*, cudaDataType, int, const void*, cudaDataType, int,
                                         const void*, void*, cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t)
{
  return CUBLAS_STATUS_SUCCESS;
}
const char* CUBLASWINAPI cublasGetStatusName(cublasStatus_t) { return "CUBLAS_STATUS"; }
const char* CUBLASWINAPI cublasGetStatusString(cublasStatus_t) { return "a status"; }

cudaError_t CUDARTAPI cudaDriverGetVersion(int* version)
{
  *version = 13000;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaRuntimeGetVersion(int* version)
{
  *version = 13000;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceGetPCIBusId(char* out, int bytes, int)
{
  std::snprintf(out, static_cast<std::size_t>(bytes), "0000:00:00.0");
  return cudaSuccess;
}
}
