// The host's clock, and the GPU's in its terms.
#pragma once

#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/span_line.hpp>

#include <cuda_runtime_api.h>

#include <chrono>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Seconds since construction. For traces it finds the second of one event: recorded on an idle stream between two
/// readings of the host's clock, several times over, and the closest two count.
class device_clock
{
 public:
  device_clock() = default;
  device_clock(const device_clock&) = delete;
  device_clock& operator=(const device_clock&) = delete;
  ~device_clock()
  {
    if (anchor_.at != nullptr && cudaEventDestroy(anchor_.at) != cudaSuccess) forget_error();
  }

  [[nodiscard]] double now() const noexcept
  {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  /// On a stream that is idle and used by nobody else. The GPU is current.
  [[nodiscard]] call_result calibrate(cudaStream_t idle)
  {
    double closest = 0;
    for (int i = 0; i < 8; ++i) {
      cudaEvent_t fresh = nullptr;
      call_result result{cudaEventCreateWithFlags(&fresh, cudaEventDefault), "cudaEventCreateWithFlags"};
      if (!result) return result;
      const double before = now();
      result = {cudaEventRecord(fresh, idle), "cudaEventRecord"};
      if (result) result = {cudaEventSynchronize(fresh), "cudaEventSynchronize"};
      const double between = now() - before;
      if (result && (anchor_.at == nullptr || between < closest)) {
        closest = between;
        std::swap(anchor_.at, fresh);
        anchor_.seconds = before + between / 2;
      }
      if (fresh != nullptr && cudaEventDestroy(fresh) != cudaSuccess) forget_error();
      if (!result) return result;
    }
    return {};
  }

  [[nodiscard]] time_anchor anchor() const noexcept { return anchor_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  time_anchor anchor_;
};

}  // namespace kvstrata::cuda
