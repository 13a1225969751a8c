#include "decoder/gpu/cuda_selector.hpp"

#include "decoder/gpu/cub_sorts.hpp"

#include "hstu/gpu/launch.cuh"

#include <kvstrata/core/error.hpp>

#include <cuda_runtime.h>

#include <string>

namespace decoder::gpu {
namespace {

void check(cudaError_t status, const char* call)
{
  if (status == cudaSuccess) return;
  throw kvstrata::device_error(std::string(call) + " failed with " + cudaGetErrorName(status) + " (" +
                               cudaGetErrorString(status) + ") while beams were selected");
}

}  // namespace

struct cuda_selector::machine
{
  cuda_selector* selector;
  cudaStream_t stream;

  template <class Kernel>
  void launch(const Kernel& k)
  {
    hstu::gpu::launch(stream, k);
  }
  void zero(std::uint32_t* word) { check(cudaMemsetAsync(word, 0, sizeof *word, stream), "cudaMemsetAsync"); }
  void sort(std::uint64_t* to, const std::uint64_t* from, std::uint32_t count, int first_bit, int last_bit)
  {
    with_temporary("cub::DeviceRadixSort::SortKeysDescending", [&](void* temporary, std::size_t& bytes) {
      return cub_sort(temporary, bytes, from, to, count, first_bit, last_bit, stream);
    });
  }
  void sort_segments(std::uint64_t* to, const std::uint64_t* from, std::uint32_t count, std::uint32_t segments,
                     const std::uint32_t* offsets)
  {
    with_temporary("cub::DeviceSegmentedSort::SortKeysDescending", [&](void* temporary, std::size_t& bytes) {
      return cub_sort_segments(temporary, bytes, from, to, count, segments, offsets, stream);
    });
  }

 private:
  template <class Call>
  void with_temporary(const char* name, Call call)
  {
    std::size_t bytes = 0;
    check(call(nullptr, bytes), name);
    if (bytes > selector->bytes_) {
      check(cudaFree(selector->temporary_), "cudaFree");  // waits for what uses it
      selector->temporary_ = nullptr;
      selector->bytes_ = 0;
      check(cudaMalloc(&selector->temporary_, bytes), "cudaMalloc");
      selector->bytes_ = bytes;
    }
    check(call(selector->temporary_, bytes), name);
  }
};

cuda_selector::~cuda_selector() { static_cast<void>(cudaFree(temporary_)); }

void cuda_selector::select(cudaStream_t stream, const selection_step& step)
{
  machine m{this, stream};
  gpu::select(m, step);
}

}  // namespace decoder::gpu
