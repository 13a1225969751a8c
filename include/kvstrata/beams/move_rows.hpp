// Carries out what a beam layout wants moved, in scratch that the host can address.
#pragma once

#include <kvstrata/beams/concepts.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Moves rows of a request's scratch, in order, in all layers, K and V. Row r is token r of the request, whose window
/// begins at 0. Blocks; returns the bytes that were moved.
inline std::uint64_t move_rows(const page_table_view& scratch, std::size_t request, std::span<const beam_move> moves)
{
  std::uint64_t moved = 0;
  const std::size_t bytes = scratch.shape.key_bytes();
  const std::size_t value = scratch.value_offset();
  for (layer_index layer = 0; layer < scratch.shape.layers; ++layer) {
    for (const beam_move& move : moves) {
      for (std::uint32_t i = 0; i < move.rows; ++i) {
        const std::byte* from = scratch.key(layer, request, move.from + i);
        std::byte* to = scratch.key(layer, request, move.to + i);
        std::memcpy(to, from, bytes);
        std::memcpy(to + value, from + value, bytes);
        moved += 2 * bytes;
      }
    }
  }
  return moved;
}

}  // namespace kvstrata
