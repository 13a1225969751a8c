// Runs a model on an NVIDIA GPU. This header is for any compiler; the kernels are compiled in cuda_pass.cu.
#pragma once

#include "hstu/gpu/block.hpp"
#include "hstu/gpu/cublas_products.hpp"
#include "hstu/gpu/runner.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hstu::gpu {

/// Kernels on tensor cores and by 16-byte accesses, products by cuBLASLt. One thread at a time. The device must
/// outlive it, and what it has queued must be over when it dies.
class cuda_runner
{
 public:
  using device_type = kvstrata::cuda_device;

  /// Throws kvstrata::device_error when cuBLASLt does not start.
  explicit cuda_runner(device_type& d) : device_(d), products_(d) {}

  [[nodiscard]] device_type& device() const noexcept { return device_; }
  [[nodiscard]] std::uint32_t multiprocessors() const noexcept { return device_.gpu().multiprocessors; }

  /// Defined in cuda_runner.cuh: for .cu files.
  template <kernel Kernel>
  void launch(kvstrata::stream_id stream, std::string_view label, const Kernel& k);

  /// Throws kvstrata::config_error when the attention kernel does not take the heads or the pages.
  void attend(kvstrata::stream_id stream, std::string_view label, const attention_arguments& what,
              std::uint32_t head_dim);

  void multiply(kvstrata::stream_id stream, std::string_view label, const product& p)
  {
    products_.multiply(stream, label, p);
  }

  void zero(kvstrata::stream_id stream, std::byte* data, std::size_t bytes)
  {
    device_.fill(stream, data, std::byte{0}, bytes);
  }

 private:
  device_type& device_;
  cublas_products products_;
};

static_assert(runner<cuda_runner>);

}  // namespace hstu::gpu
