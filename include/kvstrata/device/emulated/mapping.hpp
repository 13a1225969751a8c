// Address space from the system: what emulated memory is made of.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/huge_pages.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// An anonymous mapping. Pages come into being when they are touched.
class mapping
{
 public:
  mapping() = default;
  /// Throws capacity_error when the system refuses. An unbacked mapping has addresses but no memory.
  mapping(std::size_t bytes, bool backed, std::string_view name) : bytes_(bytes)
  {
    const int access = backed ? PROT_READ | PROT_WRITE : PROT_NONE;
    const bool huge = backed && bytes >= 2 * huge_page_bytes;
    const std::size_t slack = huge ? huge_page_bytes : 0;
    void* const address =
        bytes > std::size_t{0} - 2 * huge_page_bytes
            ? MAP_FAILED
            : ::mmap(nullptr, bytes + slack, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
      throw capacity_error("memory '" + std::string(name) + "' of " + std::to_string(bytes) +
                           " bytes cannot be had: the system refuses to map it");
    }
    mapped_ = {static_cast<std::byte*>(address), bytes + slack};
    data_ = mapped_.data();
    if (!huge) return;
    // Before anything is touched or pinned, when it would be too late; only a hint. Fewer faults, and a drive that moves the
    // bytes looks up fewer pages.
    data_ += (huge_page_bytes - reinterpret_cast<std::uintptr_t>(data_) % huge_page_bytes) % huge_page_bytes;
    ::madvise(data_, bytes, MADV_HUGEPAGE);
  }
  mapping(mapping&& other) noexcept
      : mapped_(std::exchange(other.mapped_, {})), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_)
  {
  }
  mapping& operator=(mapping&& other) noexcept
  {
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapping()
  {
    if (mapped_.data() != nullptr) ::munmap(mapped_.data(), mapped_.size());
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::span<std::byte> mapped_{};
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace kvstrata::emulated
