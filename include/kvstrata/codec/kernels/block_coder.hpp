// Encodes and decodes by the threads of blocks: what the bodies of such kernels are, and how they reach memory.
//
// A block takes one unit after the other. Its threads do one phase of the unit's work, wait for each other, do the next. On a
// GPU that is code_kernels (device/cuda/codes/code_kernels.cuh); on the CPU a loop over the threads for each phase, in any order.
//
// For a page coder K there is block_encoder<K, Machine> and block_decoder<K, Machine>. Such a body B has
//
// expression                                   meaning
// -------------------------------------------- ------------------------------------------------------------------
// B::threads                                   of a block
// B::shared                                    what its threads share; on a GPU in shared memory, without initial values
// B::mine                                      what a thread keeps from one phase to the next: its registers
// B::phases                                    how many there are
// B::set_up(coder, thread, shared)             a thread's part of making `shared` ready, before the first phase
// B::phase<P>(task, thread, mine, shared)      a thread's part of phase P of a unit. The last one leaves `shared` ready for
//                                              the next unit
//
// Parts of one phase run in any order and at once. What a unit becomes is what encode_unit and decode_unit
// (codec/code_pieces.hpp) make of it, byte for byte. Models: exp4_encoder.hpp, exp4_decoder.hpp.
//
// Machine: as host_memory (core/host_memory.hpp), and
//
// M::permute(low, high, selectors)  four of the bytes 0 to 7 of low and high; each half byte of `selectors` says which
// M::add(word, n)                   atomically, whosever thread it is
// M::set_bits(word, bits)           likewise
#pragma once

#include <kvstrata/codec/code_pieces.hpp>
#include <kvstrata/core/host_memory.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Coder, class Machine>
struct block_encoder;

template <class Coder, class Machine>
struct block_decoder;

/// One unit of one piece.
template <class Coder>
struct unit_task
{
  const Coder& coder;
  const code_piece& piece;
  std::uint32_t unit;
  code_counts* counts;  ///< or null
};

struct host_block : host_memory
{
  [[nodiscard]] static std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t selectors) noexcept
  {
    const std::uint64_t both = std::uint64_t{high} << 32 | low;
    std::uint32_t out = 0;
    for (std::uint32_t i = 0; i < 4; ++i) {
      out |= static_cast<std::uint32_t>(both >> (selectors >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
    }
    return out;
  }
  static void add(std::uint32_t& word, std::uint32_t n) noexcept { word += n; }
  static void set_bits(std::uint32_t& word, std::uint32_t bits) noexcept { word |= bits; }
};

/// Calls visit(0), ..., visit(N - 1) with constants: no loop, so that what they index stays in registers.
template <std::uint32_t N, class Visit>
constexpr void unrolled(Visit&& visit)
{
  [&]<std::uint32_t... Index>(std::integer_sequence<std::uint32_t, Index...>) {
    (visit(std::integral_constant<std::uint32_t, Index>()), ...);
  }(std::make_integer_sequence<std::uint32_t, N>());
}

using quad = std::array<std::uint32_t, 4>;  ///< a word of 16 bytes

template <class Machine>
[[nodiscard]] constexpr quad load_quad(const std::byte* from)
{
  return std::bit_cast<quad>(Machine::template load<16>(from));
}
template <class Machine>
constexpr void store_quad(std::byte* to, const quad& value)
{
  Machine::template store<16>(to, std::bit_cast<typename Machine::template word<16>>(value));
}

/// A thread's part of copying bytes that lie aligned to 16.
template <class Machine>
constexpr void copy_by_threads(std::byte* to, const std::byte* from, std::uint32_t bytes, std::uint32_t thread,
                               std::uint32_t threads)
{
  for (std::uint32_t at = thread * 16; at + 16 <= bytes; at += threads * 16) {
    Machine::template store<16>(to + at, Machine::template load<16>(from + at));
  }
  const std::uint32_t at = bytes / 16 * 16 + thread;
  if (at < bytes) Machine::template store<1>(to + at, Machine::template load<1>(from + at));
}

/// Likewise of making them poison.
template <class Machine>
constexpr void poison_by_threads(std::byte* to, std::uint32_t bytes, std::uint32_t thread, std::uint32_t threads)
{
  constexpr quad poison = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF};
  for (std::uint32_t at = thread * 16; at + 16 <= bytes; at += threads * 16) store_quad<Machine>(to + at, poison);
  const std::uint32_t at = bytes / 16 * 16 + thread;
  if (at < bytes) {
    Machine::template store<1>(to + at, std::bit_cast<typename Machine::template word<1>>(std::uint8_t{0xFF}));
  }
}

}  // namespace kvstrata
