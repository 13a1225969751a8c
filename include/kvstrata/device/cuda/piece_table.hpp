// The pieces of a copy kernel as the kernel gets them: as its parameter, so that nothing has to outlive the call.
//
// Work is cut into units of at most unit_bytes of one piece; a piece has at least one. `first_unit` numbers them through the
// table, which is how a warp finds the piece of its unit. A list that does not fit into one table becomes several, each
// a launch of its own; a short list travels in a small table, because a launch copies its parameters.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// What a warp moves before it looks for more: 32 lanes, 8 accesses of 16 bytes each.
inline constexpr std::uint32_t unit_bytes = 32 * 8 * 16;

/// One piece, or a part of one that is larger than most_piece_bytes. Without initial values: a table has many.
struct table_piece
{
  std::byte* dst;
  const std::byte* src;
  std::uint32_t bytes;
  std::uint32_t first_unit;  ///< units of the pieces before it
};

inline constexpr std::uint32_t most_piece_bytes = std::uint32_t{1} << 30;

template <std::uint32_t Capacity>
struct piece_table
{
  static constexpr std::uint32_t capacity = Capacity;

  std::uint32_t count = 0;
  std::uint32_t units = 0;
  std::array<table_piece, Capacity> pieces;  // [count]; the rest is left alone

  /// Becomes what fits of `list`, of whose first piece `done` bytes are in a table already, and moves both on.
  void take(std::span<const copy_piece>& list, std::size_t& done)
  {
    count = 0;
    units = 0;
    while (!list.empty() && count < Capacity) {
      const copy_piece& piece = list.front();
      const auto bytes = static_cast<std::uint32_t>((std::min)(piece.bytes - done, std::size_t{most_piece_bytes}));
      if (bytes != 0) {
        pieces[count++] = {piece.dst + done, piece.src + done, bytes, units};
        units += (bytes + unit_bytes - 1) / unit_bytes;
      }
      done += bytes;
      if (done == piece.bytes) {
        list = list.subspan(1);
        done = 0;
      }
    }
  }
};

using small_piece_table = piece_table<170>;   ///< 4 KiB: what every launch may carry
using large_piece_table = piece_table<1364>;  ///< the 32,764 bytes that one may from CUDA 12.1 on

static_assert(sizeof(small_piece_table) <= 4096 && sizeof(large_piece_table) <= 32764);

/// Calls visit(table) for tables that hold `pieces`, in order; each table is read during the call only. Pieces without
/// bytes are left out, and no table is empty. Tables lie on the stack.
template <class Visit>
void each_piece_table(std::span<const copy_piece> pieces, Visit&& visit)
{
  std::size_t done = 0;
  if (pieces.size() > small_piece_table::capacity) {
    large_piece_table table;
    while (pieces.size() > small_piece_table::capacity) {
      table.take(pieces, done);
      if (table.count != 0) visit(table);
    }
  }
  small_piece_table table;
  while (!pieces.empty()) {
    table.take(pieces, done);
    if (table.count != 0) visit(table);
  }
}

}  // namespace kvstrata::cuda
