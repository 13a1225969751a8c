// The library's matrix product, as a ceiling and as a computation that a copy engine may disturb: bf16 in and out,
// accumulated in float, of random numbers (a GPU multiplies zeros with less power, and so faster).
#pragma once

#include <kvstrata/device/cuda_device.hpp>

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

namespace bench {

class bf16_product
{
 public:
  /// Three matrices of 4,096 x 4,096. Throws std::runtime_error when cuBLAS does not start. Blocks.
  bf16_product(kvstrata::cuda_device& d, kvstrata::stream_id stream)
      : device_(&d), matrices_(d.allocate_device(3 * matrix_bytes, "matrices"))
  {
    const auto host = d.allocate_pinned(2 * matrix_bytes, "matrices");
    std::mt19937 random(1);
    for (std::size_t i = 0; i < matrix_bytes; ++i) {  // two matrices of two bytes an element
      const auto value = static_cast<std::uint16_t>(0x3F00U | (random() & 0x80FFU));  // 0.5 to 2, of either sign
      reinterpret_cast<std::uint16_t*>(host.data())[i] = value;
    }
    d.copy(stream, kvstrata::copy_direction::to_device, matrices_.data(), host.data(), 2 * matrix_bytes);
    d.launch(stream, {"cublasCreate"}, [this](cudaStream_t) {
      cublasHandle_t raw = nullptr;
      require(cublasCreate(&raw), "cublasCreate");
      handle_.reset(raw);
    });
    d.wait_sync(d.record(stream));
  }

  [[nodiscard]] static constexpr double flops() noexcept { return 2.0 * size * size * size; }

  void operator()(kvstrata::stream_id stream)
  {
    device_->launch(stream, {"product"}, [this](cudaStream_t s) {
      const float one = 1;
      const float zero = 0;
      std::byte* const a = matrices_.data();
      require(cublasSetStream(handle_.get(), s), "cublasSetStream");
      require(cublasGemmEx(handle_.get(), CUBLAS_OP_N, CUBLAS_OP_N, size, size, size, &one, a, CUDA_R_16BF, size,
                           a + matrix_bytes, CUDA_R_16BF, size, &zero, a + 2 * matrix_bytes, CUDA_R_16BF, size,
                           CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
              "cublasGemmEx");
    });
  }

 private:
  struct destroy
  {
    void operator()(cublasHandle_t handle) const noexcept { static_cast<void>(cublasDestroy(handle)); }
  };

  static constexpr int size = 4096;
  static constexpr std::size_t matrix_bytes = std::size_t{size} * size * 2;

  static void require(cublasStatus_t status, const char* call)
  {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw std::runtime_error(std::string(call) + " returned " + cublasGetStatusName(status) + ": " +
                             cublasGetStatusString(status));
  }

  kvstrata::cuda_device* device_;
  kvstrata::cuda_device::memory matrices_;
  std::unique_ptr<cublasContext, destroy> handle_;
};

}  // namespace bench
