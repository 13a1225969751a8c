// All headers through nvcc, and a kernel that uses some of the vocabulary.
#include "all_headers.cuh"

#include <cuda_runtime.h>

#include <cstdint>

namespace {

__global__ void count_tokens(kvstrata::token_interval tokens, std::uint64_t* out)
{
  *out = kvstrata::intersect(tokens, kvstrata::token_interval{10, 100}).size();
}

}  // namespace

const void* address_in_cuda() { return &kvstrata::version; }

bool has_gpu()
{
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

std::uint64_t tokens_on_gpu()
{
  std::uint64_t* device = nullptr;
  std::uint64_t host = 0;
  if (cudaMalloc(reinterpret_cast<void**>(&device), sizeof(host)) != cudaSuccess) return 0;
  count_tokens<<<1, 1>>>(kvstrata::token_interval{0, 42}, device);
  const cudaError_t copied = cudaMemcpy(&host, device, sizeof(host), cudaMemcpyDeviceToHost);
  cudaFree(device);
  return copied == cudaSuccess ? host : 0;
}
