// Memory that an engine can read to and write from, whatever it wants of alignment.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Whole blocks, of zeros at first.
class block_buffer
{
 public:
  block_buffer() = default;
  explicit block_buffer(std::size_t bytes) : block_buffer(bytes, unset{})
  {
    if (size_ != 0) std::memset(data_, 0, size_);
  }
  /// Of whatever bytes: for who writes to all of it.
  [[nodiscard]] static block_buffer of_any_bytes(std::size_t bytes) { return {bytes, unset{}}; }
  block_buffer(block_buffer&& other) noexcept
      : size_(std::exchange(other.size_, 0)), data_(std::exchange(other.data_, nullptr))
  {
  }
  block_buffer& operator=(block_buffer&& other) noexcept
  {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~block_buffer()
  {
    if (data_ != nullptr) ::operator delete(data_, alignment);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<std::byte, block_bytes> block(std::size_t number) const noexcept
  {
    return std::span<std::byte, block_bytes>(data_ + number * block_bytes, block_bytes);
  }
  [[nodiscard]] memory_piece all() const noexcept { return {data_, size_}; }

 private:
  struct unset
  {
  };
  block_buffer(std::size_t bytes, unset /*tag*/)
      : size_((bytes + block_bytes - 1) / block_bytes * block_bytes),
        data_(size_ == 0 ? nullptr : static_cast<std::byte*>(::operator new(size_, alignment)))
  {
  }

  static constexpr std::align_val_t alignment{block_bytes};

  std::size_t size_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace kvstrata::nvme
