// One allocation of an emulated device.
#pragma once

#include <kvstrata/device/emulated/memory_pool.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Owns its bytes. Move-only; may outlive the device.
class memory
{
 public:
  memory() = default;
  memory(std::shared_ptr<memory_pool> pool, std::byte* data, std::size_t bytes) noexcept
      : pool_(std::move(pool)), data_(data), bytes_(bytes)
  {
  }
  memory(memory&& other) noexcept
      : pool_(std::move(other.pool_)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0))
  {
  }
  memory& operator=(memory&& other) noexcept
  {
    memory gone(std::move(*this));
    pool_ = std::move(other.pool_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~memory()
  {
    if (data_ != nullptr) pool_->free(data_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::shared_ptr<memory_pool> pool_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace kvstrata::emulated
