// Matrix products on a cuda_device's streams by cuBLASLt.
#pragma once

#include "hstu/gpu/runner.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace hstu::gpu {

/// bf16 in, sums in float, out as product says. cuBLASLt's advice which of its kernels to take is kept by shape, rows
/// rounded up, so that a new number of rows seldom asks again. One thread at a time. What it has queued must be over
/// when it dies.
class cublas_products
{
 public:
  /// Throws kvstrata::device_error when cuBLASLt does not start.
  explicit cublas_products(kvstrata::cuda_device& d);
  ~cublas_products();
  cublas_products(const cublas_products&) = delete;
  cublas_products& operator=(const cublas_products&) = delete;

  /// Queues a product; does not block. A stream's first product allocates workspace_bytes for it. Throws
  /// kvstrata::device_error when cuBLASLt refuses, kvstrata::capacity_error.
  void multiply(kvstrata::stream_id stream, std::string_view label, const product& p);

  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  ///< a stream; what NVIDIA advises for Hopper

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace hstu::gpu
