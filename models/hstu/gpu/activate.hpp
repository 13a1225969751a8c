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
///
/// Plain is the model of random weights. Otherwise the projections first get `bias`, Q is multiplied by alpha after its
/// SiLU, and K, V and Q may go without.
template <bool Plain>
struct basic_activate_kernel : row_kernel
{
  rows_of<bf16> projected;               ///< [rows][4 * width], columns U, Q, K, V
  const std::uint64_t* slots = nullptr;  ///< [first_candidate] bytes from page 0 of a layer to a row's key
  std::byte* base = nullptr;             ///< page 0 of the layer
  std::uint64_t value_offset = 0;        ///< bytes from a token's key to its value
  std::uint32_t first_whole = 0;
  std::uint32_t first_candidate = 0;
  std::uint32_t width = 0;  ///< a multiple of 8

  const float* bias = nullptr;  ///< [4 * width] or null
  float alpha = 1;
  bool gates_only = false;  ///< SiLU of U alone

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    bf16* from = projected.row(r);
    bf16* keys = from + 2 * width;
    bf16* values = from + 3 * width;
    if (r < first_candidate) {
      keys = reinterpret_cast<bf16*>(base + slots[r]);
      values = reinterpret_cast<bf16*>(base + slots[r] + value_offset);
    }
    const bool whole = r >= first_whole;
    for (std::uint32_t at = this->lane(block) * vector_width; at < width; at += 32 * vector_width) {
      bf16x8 u{};
      bf16x8 q{};
      if (whole) {
        u = load_vector<bf16x8>(from + at);
        q = load_vector<bf16x8>(from + width + at);
      }
      const bf16x8 k = load_vector<bf16x8>(from + 2 * width + at);
      const bf16x8 v = load_vector<bf16x8>(from + 3 * width + at);
      if (whole) {
        store_vector(from + at, active<Block>(u, at, true, 1.0f));
        store_vector(from + width + at, active<Block>(q, width + at, false, alpha));
      }
      store_vector(keys + at, active<Block>(k, 2 * width + at, false, 1.0f));
      store_vector(values + at, active<Block>(v, 3 * width + at, false, 1.0f));
    }
  }

 private:
  template <class Block>
  [[nodiscard]] HSTU_KERNEL bf16x8 active(const bf16x8& from, std::uint32_t column, bool is_gate, float factor) const
  {
    bf16x8 out;
    for (std::uint32_t i = 0; i < 4; ++i) {
      if constexpr (Plain) {
        out.pairs[i] = Block::pack(Block::silu(element(from, 2 * i)), Block::silu(element(from, 2 * i + 1)));
      } else {
        float both[2];
        for (std::uint32_t half = 0; half < 2; ++half) {
          float x = element(from, 2 * i + half);
          if (bias != nullptr) x += bias[column + 2 * i + half];
          both[half] = (is_gate || !gates_only ? Block::silu(x) : x) * factor;
        }
        out.pairs[i] = Block::pack(both[0], both[1]);
      }
    }
    return out;
  }
};

using activate_kernel = basic_activate_kernel<true>;
using activate_trained_kernel = basic_activate_kernel<false>;

}  // namespace hstu::gpu
