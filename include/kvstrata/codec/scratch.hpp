// Memory for the work on one piece, which each thread keeps: a few blocks, as large as its largest piece has asked for.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

namespace detail {

class scratch_block
{
 public:
  [[nodiscard]] std::span<std::byte> of(std::size_t bytes)
  {
    if (bytes_ < bytes) {
      memory_.reset();
      bytes_ = 0;
      memory_.reset(static_cast<std::byte*>(::operator new(bytes, alignment)));
      bytes_ = bytes;
    }
    return {memory_.get(), bytes};
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct free_aligned
  {
    void operator()(std::byte* memory) const noexcept { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<std::byte, free_aligned> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace detail

/// Blocks a thread has: 0 to 2 are a coder's, 3 and 4 those of what encodes a coder's code once more.
inline constexpr std::size_t scratch_blocks = 5;

/// The calling thread's block with that number, aligned to 64, valid until this thread asks for it again. Throws
/// std::bad_alloc.
[[nodiscard]] inline std::span<std::byte> scratch(std::size_t number, std::size_t bytes)
{
  thread_local std::array<detail::scratch_block, scratch_blocks> blocks;
  return blocks[number].of(bytes);
}

}  // namespace kvstrata::codec
