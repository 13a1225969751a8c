// Moves the pieces of a table: the body of every copy kernel, whichever way it goes (gather, scatter, promotion, and
// kernel_copy, which reads or writes pinned memory).
//
//   block b of B   takes the units [units * b / B, units * (b + 1) / B), so that it sweeps one stretch of memory
//   warp w of W    takes of these every W-th, from w on; it searches for its first unit's piece, then walks on
//   lane l         moves the words l, l + 32, ... of a unit: all loads first, then all stores
//
// A word is 16 bytes where source and destination can both be aligned to that; the bytes before and after go one by one.
// Where they lie askew to each other, words are as wide as they agree: 8, 4, 2 or 1 bytes.
//
// How much must be on its way: bandwidth times latency. A warp has 4 KiB, a block of 16 warps 64 KiB. Pinned memory over
// PCIe 5 x16 brings at most 64 GB/s with a round trip of 1 to 2 us, which is 64 to 128 KB: two multiprocessors with a block
// each can ask for enough, whatever is lost on the way has to be made up by more. Device memory with 4.8 TB/s and
// 0.8 us wants 3.8 MB: 30 KiB for each of 132 multiprocessors, so one block is enough and two leave room. A budget of S
// multiprocessors is S blocks: they never are on more, and two smaller ones might be.
//
// Nobody changes a source while it is read, so that the parts of a copy may run in any order and at once.
#pragma once

#include <kvstrata/device/cuda/piece_table.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Threads of a copy kernel's block.
inline constexpr std::uint32_t copy_threads = 512;

/// Blocks that a copy kernel without a budget has on every multiprocessor.
inline constexpr std::uint32_t copy_blocks_beside_each_other = 2;

/// Blocks that a copy kernel has at most when it may take `sms` (0: all) of a GPU's multiprocessors.
[[nodiscard]] constexpr std::uint32_t copy_blocks(std::uint32_t sms, std::uint32_t multiprocessors) noexcept
{
  return sms == 0 || sms >= multiprocessors ? multiprocessors * copy_blocks_beside_each_other : sms;
}

/// Blocks that find work, of `blocks` that are allowed; at least one.
[[nodiscard]] constexpr std::uint32_t busy_blocks(std::uint32_t units, std::uint32_t blocks) noexcept
{
  constexpr std::uint32_t warps = copy_threads / 32;
  const std::uint32_t busy = (units + warps - 1) / warps;
  const std::uint32_t most = blocks == 0 ? 1 : blocks;
  return busy < most ? busy : most;
}

/// `Memory` is how bytes are reached: host_memory (core/host_memory.hpp) on the CPU, streaming_memory on the GPU.
template <class Table, class Memory>
struct copy_pieces
{
  const Table& table;  ///< a piece_table

  /// The part of thread `thread` (of copy_threads) of block `block` (of `blocks`). Parts may run in any order and at once.
  constexpr void operator()(std::uint32_t block, std::uint32_t blocks, std::uint32_t thread) const
  {
    const auto bound = [&](std::uint32_t b) constexpr {
      return static_cast<std::uint32_t>(std::uint64_t{table.units} * b / blocks);
    };
    const std::uint32_t end = bound(block + 1);
    std::uint32_t unit = bound(block) + thread / 32;
    if (unit >= end) return;
    for (std::uint32_t piece = piece_of(unit);;) {
      const table_piece& at = table.pieces[piece];
      const std::uint32_t begin = (unit - at.first_unit) * unit_bytes;
      const std::uint32_t left = at.bytes - begin;
      move_unit(at.dst + begin, at.src + begin, left < unit_bytes ? left : unit_bytes, thread % 32);
      unit += copy_threads / 32;
      if (unit >= end) return;
      while (piece + 1 < table.count && table.pieces[piece + 1].first_unit <= unit) ++piece;
    }
  }

 private:
  static constexpr std::uint32_t in_flight = 8;  ///< loads of a lane before its first store

  /// The last piece that begins at or before the unit.
  [[nodiscard]] constexpr std::uint32_t piece_of(std::uint32_t unit) const
  {
    std::uint32_t low = 0;
    for (std::uint32_t high = table.count; high - low > 1;) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (table.pieces[middle].first_unit <= unit) low = middle;
      else high = middle;
    }
    return low;
  }

  static constexpr void move_unit(std::byte* dst, const std::byte* src, std::uint32_t bytes, std::uint32_t lane)
  {
    const std::uint64_t askew = Memory::address(dst) ^ Memory::address(src);
    if (askew % 16 == 0) move_words<16>(dst, src, bytes, lane);
    else if (askew % 8 == 0) move_words<8>(dst, src, bytes, lane);
    else if (askew % 4 == 0) move_words<4>(dst, src, bytes, lane);
    else if (askew % 2 == 0) move_words<2>(dst, src, bytes, lane);
    else move_words<1>(dst, src, bytes, lane);
  }

  template <std::uint32_t Width>
  static constexpr void move_words(std::byte* dst, const std::byte* src, std::uint32_t bytes, std::uint32_t lane)
  {
    const auto past = static_cast<std::uint32_t>(Memory::address(dst) % Width);
    const std::uint32_t to_word = past == 0 ? 0 : Width - past;
    const std::uint32_t before = to_word < bytes ? to_word : bytes;
    const std::uint32_t words = (bytes - before) / Width;
    const std::uint32_t after = before + words * Width;  // begin of the bytes after the words
    // At most 15 bytes before, lanes 0 to 14, and at most 15 after, lanes 16 to 30.
    const std::uint32_t lone = lane < 16 ? lane : after + lane - 16;
    if (lone < (lane < 16 ? before : bytes)) {
      Memory::template store<1>(dst + lone, Memory::template load<1>(src + lone));
    }
    dst += before;
    src += before;
    for (std::uint32_t first = lane; first < words; first += 32 * in_flight) {
      typename Memory::template word<Width> moved[in_flight] = {};
      for (std::uint32_t i = 0; i < in_flight; ++i) {
        const std::uint32_t at = first + 32 * i;
        if (at < words) moved[i] = Memory::template load<Width>(src + at * Width);
      }
      for (std::uint32_t i = 0; i < in_flight; ++i) {
        const std::uint32_t at = first + 32 * i;
        if (at < words) Memory::template store<Width>(dst + at * Width, moved[i]);
      }
    }
  }
};

}  // namespace kvstrata::cuda
