// Address space from the system: what emulated memory is made of.
#pragma once

#include <kvstrata/core/error.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::emulated {

/// An anonymous mapping. Pages come into being when they are touched.
class mapping
{
 public:
  mapping() = default;
  /// Throws capacity_error when the system refuses. An unbacked mapping has addresses but no memory.
  mapping(std::size_t bytes, bool backed, std::string_view name) : bytes_(bytes)
  {
    const int access = backed ? PROT_READ | PROT_WRITE : PROT_NONE;
    void* address = ::mmap(nullptr, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
      throw capacity_error("memory '" + std::string(name) + "' of " + std::to_string(bytes) +
                           " bytes cannot be had: the system refuses to map it");
    }
    data_ = static_cast<std::byte*>(address);
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    if (backed && bytes >= 2 * huge_page) ::madvise(address, bytes, MADV_HUGEPAGE);  // fewer faults; only a hint
  }
  mapping(mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  mapping& operator=(mapping&& other) noexcept
  {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapping()
  {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace kvstrata::emulated
