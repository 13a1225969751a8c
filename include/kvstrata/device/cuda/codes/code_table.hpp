// The pieces of a kernel that encodes or decodes as it gets them: as its parameter, so that nothing has to outlive the call.
//
// All pieces of a launch have as many units, so a unit's number tells its piece. A list that does not fit into one table
// becomes several, each a launch of its own; a short list travels in a small table, because a launch copies its parameters.
#pragma once

#include <kvstrata/codec/code_pieces.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template <std::uint32_t Capacity>
struct code_table
{
  static constexpr std::uint32_t capacity = Capacity;

  std::uint32_t count = 0;
  std::uint32_t units = 0;  ///< of all pieces: at most 2^31
  std::array<code_piece, Capacity> pieces;
};

using small_code_table = code_table<64>;   ///< 2 KiB, of the 4 KiB that every launch may carry
using large_code_table = code_table<880>;  ///< 28 KiB, of the 32,764 bytes that one may from CUDA 12.1 on

/// Bytes of a launch's parameters that are left for the coder.
inline constexpr std::size_t most_coder_bytes = 1900;
static_assert(sizeof(small_code_table) + most_coder_bytes <= 4096 &&
              sizeof(large_code_table) + most_coder_bytes <= 32764);

/// Calls visit(table) for tables that hold `pieces` of `units` units each, in order; each table is read during the call only,
/// and none is empty. Tables lie on the stack.
template <class Visit>
void each_code_table(std::span<const code_piece> pieces, std::uint32_t units, Visit&& visit)
{
  const auto fill = [&](auto& table) {
    const std::size_t fit = (std::min)(std::size_t{table.capacity}, std::size_t{0x80000000} / units);
    const std::size_t count = (std::min)(fit, pieces.size());
    std::copy_n(pieces.begin(), count, table.pieces.begin());
    pieces = pieces.subspan(count);
    table.count = static_cast<std::uint32_t>(count);
    table.units = table.count * units;
    visit(table);
  };
  if (pieces.size() > small_code_table::capacity) {
    large_code_table table;
    while (pieces.size() > small_code_table::capacity) fill(table);
  }
  small_code_table table;
  while (!pieces.empty()) fill(table);
}

/// The units of block `block` of `blocks`, one stretch of memory: calls visit(unit, piece) with the number within its piece.
template <class Table, class Visit>
constexpr void each_unit_of_block(const Table& table, std::uint32_t block, std::uint32_t blocks, std::uint32_t units,
                                  Visit&& visit)
{
  const auto begin = static_cast<std::uint32_t>(std::uint64_t{table.units} * block / blocks);
  const auto end = static_cast<std::uint32_t>(std::uint64_t{table.units} * (block + 1) / blocks);
  for (std::uint32_t unit = begin; unit < end; ++unit) visit(unit % units, table.pieces[unit / units]);
}

}  // namespace kvstrata::cuda
