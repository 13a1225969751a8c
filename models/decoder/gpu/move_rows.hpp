// Carries out what a beam layout wants moved, in scratch on a device: kvstrata::move_rows as a kernel.
#pragma once

#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

#include <kvstrata/beams/concepts.hpp>
#include <kvstrata/layout/append_rows.hpp>

#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

/// The moves of a request, in order, in all layers. A thread has 16 bytes of each token's key or value in a layer and carries out all
/// moves of them, so nobody waits for anybody. Rows are [layers][K, V][512 bytes of a key]. Limited by memory.
struct move_rows_kernel : hstu::gpu::row_kernel
{
  kvstrata::paged_layer scratch;  ///< layer 0
  std::uint64_t layer_stride = 0;
  const kvstrata::beam_move* moves = nullptr;  ///< [count]
  std::uint32_t count = 0;
  std::uint32_t request = 0;

  [[nodiscard]] HSTU_FUNCTION std::uint32_t pieces() const { return (scratch.key_bytes + 511) / 512; }

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t item = row(block);
    if (item >= last_row) return;
    const std::uint32_t column = item % pieces() * 512 + lane(block) * 16;
    if (column >= scratch.key_bytes) return;
    const std::uint32_t part = item / pieces();
    const std::uint64_t skip = part / 2 * layer_stride + part % 2 * scratch.value_offset() + column;
    for (std::uint32_t m = 0; m < count; ++m) {
      for (std::uint32_t i = 0; i < moves[m].rows; ++i) {
        const std::byte* const from = scratch.key(request, moves[m].from + i) + skip;
        hstu::gpu::store_vector(scratch.key(request, moves[m].to + i) + skip,
                                hstu::gpu::load_vector<hstu::gpu::bf16x8>(from));
      }
    }
  }
};

}  // namespace decoder::gpu
