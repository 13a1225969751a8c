// How a stream waits for a word that the host writes: a call of the driver's, found through the runtime, so that nothing is
// linked with the driver's library.
#pragma once

#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Where words are that GPUs look at.
using pinned_word = std::atomic<std::uint64_t>;
static_assert(sizeof(pinned_word) == 8 && pinned_word::is_always_lock_free);

class stream_wait
{
 public:
  /// Why there is no such call; empty when there is.
  [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

  /// What is queued on the stream from now on starts when the word, in pinned memory, is `least` or more. There is such a
  /// call.
  [[nodiscard]] call_result operator()(cudaStream_t stream, const pinned_word& word, std::uint64_t least) const noexcept
  {
    constexpr unsigned int at_least = 0;  // CU_STREAM_WAIT_VALUE_GEQ: signed difference, so words may wrap around
    const int code = call_(stream, reinterpret_cast<std::uintptr_t>(&word), least, at_least);
    return {static_cast<cudaError_t>(code), "cuStreamWaitValue64"};  // the runtime has taken over the driver's numbers
  }

  /// Asks the GPU and its driver. A refusal is no failure: streams can do without.
  [[nodiscard]] static stream_wait find(int ordinal, const std::string& gpu_name)
  {
    constexpr auto can_wait_for_64_bits =
        static_cast<cudaDeviceAttr>(122);  // CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS
    constexpr unsigned int cuda_12 = 12000;
    stream_wait out;
    int can = 0;
    call_result result{cudaDeviceGetAttribute(&can, can_wait_for_64_bits, ordinal), "cudaDeviceGetAttribute"};
    if (result && can == 0) {
      out.why_not_ = gpu_name + " cannot let a stream wait for a word of memory";
      return out;
    }
    void* call = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    if (result) {
      result = {cudaGetDriverEntryPointByVersion("cuStreamWaitValue64", &call, cuda_12, cudaEnableDefault, &found),
                "cudaGetDriverEntryPointByVersion"};
    }
    if (!result) {
      forget_error();
      out.why_not_ = std::string(result.call) + " returned " + text_of(result.code);
    } else if (found != cudaDriverEntryPointSuccess || call == nullptr) {
      out.why_not_ = "the driver has no cuStreamWaitValue64";
    } else {
      out.call_ = reinterpret_cast<driver_call>(call);
    }
    return out;
  }

 private:
  /// CUresult cuStreamWaitValue64(CUstream, CUdeviceptr, cuuint64_t, unsigned int), as cuda.h has it.
  using driver_call = int (*)(cudaStream_t, unsigned long long, std::uint64_t, unsigned int);

  driver_call call_ = nullptr;
  std::string why_not_;
};

}  // namespace kvstrata::cuda
