// Address space from the system with pages that are there: what pinned memory is made of before it is registered.
//
// Registering memory that nobody has touched lets the driver fault it in page by page, on one thread. So we do that
// first, on several, in huge pages where the system gives them: fewer faults, and fewer entries for the driver to pin.
#pragma once

#include <kvstrata/core/huge_pages.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// An anonymous mapping. Empty when the system refused it.
class host_mapping
{
 public:
  host_mapping() = default;
  /// `bytes` rounded up to whole pages. With `huge_pages`, from two of them on, aligned to them and marked for them.
  host_mapping(std::size_t bytes, bool huge_pages) noexcept
  {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const bool huge = huge_pages && bytes >= 2 * huge_page_bytes;
    const std::size_t slack = huge ? huge_page_bytes - page : 0;
    if (bytes > std::size_t{0} - huge_page_bytes - slack) return;  // rounding up would go round
    bytes_ = (bytes + page - 1) / page * page;
    void* const at = ::mmap(nullptr, bytes_ + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    auto* const begin = static_cast<std::byte*>(at);
    std::size_t before = 0;
    if (huge) {
      before = (huge_page_bytes - reinterpret_cast<std::uintptr_t>(begin) % huge_page_bytes) % huge_page_bytes;
      if (before != 0) ::munmap(begin, before);
      if (before != slack) ::munmap(begin + before + bytes_, slack - before);
    }
    data_ = begin + before;
    if (huge) ::madvise(data_, bytes_, MADV_HUGEPAGE);  // only a hint
  }
  host_mapping(host_mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  host_mapping& operator=(host_mapping&& other) noexcept
  {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~host_mapping()
  {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }  ///< whole pages

  /// Lets the mapping be, for good.
  void abandon() noexcept { data_ = nullptr; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Touches every page, by at most `threads` threads. Returns by how many. They share the work in stretches, as pages near
/// and far do not come equally fast.
inline std::uint32_t touch_pages(const host_mapping& memory, std::uint32_t threads)
{
  constexpr std::size_t stretch = 16 * huge_page_bytes;
  const std::size_t stretches = (memory.size() + stretch - 1) / stretch;
  std::atomic<std::size_t> next{0};
  const auto touch = [&]() noexcept {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    for (std::size_t i = next++; i < stretches; i = next++) {
      std::byte* const begin = memory.data() + i * stretch;
      const std::size_t bytes = (std::min)(stretch, memory.size() - i * stretch);
#ifdef MADV_POPULATE_WRITE  // since Linux 5.14: one call instead of a fault a page
      if (::madvise(begin, bytes, MADV_POPULATE_WRITE) == 0) continue;
#endif
      for (std::size_t at = 0; at < bytes; at += page) {
        *reinterpret_cast<volatile std::byte*>(begin + at) = std::byte{0};
      }
    }
  };
  std::vector<std::thread> helpers;
  try {
    for (std::size_t i = 1; i < (std::min)(std::size_t{threads}, stretches); ++i) helpers.emplace_back(touch);
  } catch (const std::system_error&) {
    // Those that are there will do.
  }
  touch();
  for (std::thread& helper : helpers) helper.join();
  return static_cast<std::uint32_t>(helpers.size() + 1);
}

}  // namespace kvstrata::cuda
