// Which GPU is current, for as long as something is done on one.
#pragma once

#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Makes a GPU the calling thread's current one, and then again the one that was. When it cannot, result() says why,
/// and what is current stays.
class current_device
{
 public:
  explicit current_device(int ordinal) noexcept
  {
    result_ = {cudaGetDevice(&before_), "cudaGetDevice"};
    if (!result_ || before_ == ordinal) return;
    result_ = {cudaSetDevice(ordinal), "cudaSetDevice"};
    changed_ = static_cast<bool>(result_);
  }
  current_device(const current_device&) = delete;
  current_device& operator=(const current_device&) = delete;
  ~current_device()
  {
    if (changed_ && cudaSetDevice(before_) != cudaSuccess) forget_error();
  }

  [[nodiscard]] const call_result& result() const noexcept { return result_; }

 private:
  call_result result_;
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace kvstrata::cuda
