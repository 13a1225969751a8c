// The copy kernels that copy_kernel.hpp compares: ours without what cuda_device checks first, and CUB's, which only .cu
// files can call (copy_kernel_kernels.cu).
#pragma once

#include "support/cuda_machine.hpp"
#include "support/machine.hpp"

#include <kvstrata/device/cuda/copy_kernels.hpp>
#include <kvstrata/device/cuda/copy_pieces.hpp>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// cub::DeviceMemcpy::Batched: with temporary == nullptr it only sets temporary_bytes. The lists are in device memory.
cudaError_t cub_batched_copy(void* temporary, std::size_t& temporary_bytes, const void* const* from, void* const* to,
                             const std::size_t* sizes, std::size_t count, cudaStream_t stream);

inline void require_cuda(cudaError_t code, const char* what)
{
  if (code != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(code));
}

template <machine Machine>
void queue_copy_kernel(Machine& m, kvstrata::stream_id stream, const std::vector<kvstrata::copy_piece>& list,
                       const kvstrata::copy_kernel& kernel)
{
  m.device().copy_kernel_launch(stream, kernel, list);
}
inline void queue_copy_kernel(cuda_machine& m, kvstrata::stream_id stream,
                              const std::vector<kvstrata::copy_piece>& list, const kvstrata::copy_kernel& kernel)
{
  const auto all = static_cast<std::uint32_t>(m.device().gpu().multiprocessors);
  m.device().launch(stream, {kernel.label}, [&](cudaStream_t s) {
    require_cuda(kvstrata::cuda::copy_kernels<>::launch(s, list, kvstrata::cuda::copy_blocks(kernel.sms, all)),
                 "the copy kernel");
  });
}

/// CUB with its lists where it wants them.
template <machine Machine>
class cub_copies
{
 public:
  cub_copies(Machine&, const std::vector<kvstrata::copy_piece>&) {}
  [[nodiscard]] bool available() const noexcept { return false; }
  void queue(kvstrata::stream_id) {}
};

template <>
class cub_copies<cuda_machine>
{
 public:
  /// Blocks.
  cub_copies(cuda_machine& m, const std::vector<kvstrata::copy_piece>& list)
      : machine_(&m),
        count_(list.size()),
        lists_(m.device().allocate_device(3 * bytes(), "lists of CUB")),
        temporary_(m.device().allocate_device(temporary_bytes(), "temporary memory of CUB"))
  {
    const auto host = m.device().allocate_pinned(3 * bytes(), "lists of CUB");
    for (std::size_t i = 0; i < count_; ++i) {
      std::memcpy(host.data() + i * sizeof(void*), &list[i].src, sizeof(void*));
      std::memcpy(host.data() + bytes() + i * sizeof(void*), &list[i].dst, sizeof(void*));
      std::memcpy(host.data() + 2 * bytes() + i * sizeof(void*), &list[i].bytes, sizeof(void*));
    }
    const kvstrata::stream_id stream = m.stream("lists of CUB");
    m.device().copy(stream, kvstrata::copy_direction::to_device, lists_.data(), host.data(), 3 * bytes());
    m.device().wait_sync(m.device().record(stream));
  }

  [[nodiscard]] bool available() const noexcept { return true; }
  void queue(kvstrata::stream_id stream)
  {
    machine_->device().launch(stream, {"cub::DeviceMemcpy::Batched"}, [this](cudaStream_t s) {
      std::size_t size = temporary_.size();
      require_cuda(call(temporary_.data(), size, s), "cub::DeviceMemcpy::Batched");
    });
  }

 private:
  static_assert(sizeof(void*) == sizeof(std::size_t));
  [[nodiscard]] std::size_t bytes() const noexcept { return count_ * sizeof(void*); }
  [[nodiscard]] cudaError_t call(void* temporary, std::size_t& size, cudaStream_t stream)
  {
    return cub_batched_copy(temporary, size, reinterpret_cast<const void* const*>(lists_.data()),
                            reinterpret_cast<void* const*>(lists_.data() + bytes()),
                            reinterpret_cast<const std::size_t*>(lists_.data() + 2 * bytes()), count_, stream);
  }
  [[nodiscard]] std::size_t temporary_bytes()
  {
    std::size_t size = 0;
    require_cuda(call(nullptr, size, nullptr), "cub::DeviceMemcpy::Batched");
    return size == 0 ? 1 : size;
  }

  cuda_machine* machine_;
  std::size_t count_;
  kvstrata::cuda_device::memory lists_;
  kvstrata::cuda_device::memory temporary_;
};

template <machine Machine>
cub_copies(Machine&, const std::vector<kvstrata::copy_piece>&) -> cub_copies<Machine>;

}  // namespace bench
