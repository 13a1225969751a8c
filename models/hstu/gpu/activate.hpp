// SiLU of the projections; keys and values of history tokens go to their pages on the way.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

namespace hstu::gpu {

/// For the rows [first_row, last_row) of the projections U, Q, K, V: silu(U) and silu(Q) in place, except for the
/// rows in front of `first_whole`, which have none; silu(K) and silu(V) of history rows to their pages, of candidates
/// in place. A warp a row; each thread has up to four 16-byte loads on their way. Limited by memory: it reads 2 and
/// writes 2 bytes an element.
struct activate_kernel : row_kernel
{
  rows_of<bf16> projected;               ///< [rows][4 * width], columns U, Q, K, V
  const std::uint64_t* slots = nullptr;  ///< [first_candidate] bytes from page 0 of a layer to a row's key
  std::byte* base = nullptr;             ///< page 0 of the layer
  std::uint64_t value_offset = 0;        ///< bytes from a token's key to its value
  std::uint32_t first_whole = 0;
  std::uint32_t first_candidate = 0;
  std::uint32_t width = 0;  ///< a multiple of 8

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    bf16* from = projected.row(r);
    bf16* keys = from + 2 * width;
    bf16* values = from + 3 * width;
    if (r < first_candidate) {
      keys = reinterpret_cast<bf16*>(base + slots[r]);
      values = reinterpret_cast<bf16*>(base + slots[r] + value_offset);
    }
    const bool whole = r >= first_whole;
    for (std::uint32_t at = lane(block) * vector_width; at < width; at += 32 * vector_width) {
      bf16x8 u{};
      bf16x8 q{};
      if (whole) {
        u = load_vector<bf16x8>(from + at);
        q = load_vector<bf16x8>(from + width + at);
      }
      const bf16x8 k = load_vector<bf16x8>(from + 2 * width + at);
      const bf16x8 v = load_vector<bf16x8>(from + 3 * width + at);
      if (whole) {
        store_vector(from + at, silu<Block>(u));
        store_vector(from + width + at, silu<Block>(q));
      }
      store_vector(keys + at, silu<Block>(k));
      store_vector(values + at, silu<Block>(v));
    }
  }

 private:
  template <class Block>
  [[nodiscard]] HSTU_KERNEL static bf16x8 silu(const bf16x8& from)
  {
    bf16x8 out;
    for (std::uint32_t i = 0; i < 4; ++i) {
      out.pairs[i] = Block::pack(Block::silu(element(from, 2 * i)), Block::silu(element(from, 2 * i + 1)));
    }
    return out;
  }
};

}  // namespace hstu::gpu
