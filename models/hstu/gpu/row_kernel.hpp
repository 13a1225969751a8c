// What kernels share that give each row to a warp.
#pragma once

#include "hstu/gpu/function.hpp"

#include <cstdint>

namespace hstu::gpu {

struct row_kernel
{
  static constexpr std::uint32_t threads = 128;
  static constexpr std::uint32_t blocks_per_sm = 8;
  static constexpr std::uint32_t rows_of_block = threads / 32;

  std::uint32_t first_row = 0;
  std::uint32_t last_row = 0;  ///< one past the last

  [[nodiscard]] HSTU_FUNCTION std::uint32_t blocks() const noexcept
  {
    return (last_row - first_row + rows_of_block - 1) / rows_of_block;
  }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t shared_bytes() const noexcept { return 0; }

 protected:
  /// The row of the calling thread's warp; there is none when it is not below last_row.
  template <class Block>
  [[nodiscard]] HSTU_KERNEL std::uint32_t row(Block& block) const
  {
    return first_row + block.index() * rows_of_block + block.thread() / 32;
  }
  template <class Block>
  [[nodiscard]] HSTU_KERNEL static std::uint32_t lane(Block& block)
  {
    return block.thread() % 32;
  }
};

}  // namespace hstu::gpu
