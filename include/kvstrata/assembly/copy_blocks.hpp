// Copies the blocks of a context that must stand elsewhere than where they were encoded, their K turned on the way, in memory
// that the host can address. Shared pages are read, and never written.
#pragma once

#include <kvstrata/assembly/assembler.hpp>
#include <kvstrata/position/rotary.hpp>
#include <kvstrata/position/turn_keys.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One layer of them; K and V of that layer must have arrived in the shared pages. The shape must have passed check_turned.
/// Blocks; returns the bytes that were written. `angles` is memory to compute in.
inline std::uint64_t copy_blocks(const block_copies& copies, layer_index layer, const rotary& by, turn_angles& angles)
{
  const page_table_view& from = copies.from;
  const page_table_view& to = copies.to;
  std::uint64_t written = 0;
  for (const block_copy& copy : copies.list) {
    angles.set(by, copy.by);
    const token_count tokens = from.tokens(copy.from);
    for (token_count at = 0; at < tokens; at += from.page_tokens) {
      const token_count run = (std::min)(tokens - at, from.page_tokens);
      const std::byte* const key = from.key(layer, copy.from, at);
      std::byte* const mine = to.key(layer, copy.block, at);
      turn_keys(from.shape, key, mine, run, angles.cosines.data(), angles.sines.data());
      std::memcpy(mine + to.value_offset(), key + from.value_offset(), run * from.shape.key_bytes());
      written += 2 * run * from.shape.key_bytes();
    }
  }
  return written;
}

}  // namespace kvstrata
