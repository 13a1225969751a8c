// The tensor core operations of a warp in plain loops, after the tables of the PTX ISA ("Matrix multiply-accumulate",
// "ldmatrix"): what lane holds which element.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hstu::gpu {

inline constexpr std::uint32_t warp_lanes = 32;

[[nodiscard]] inline float low_half(std::uint32_t pair)
{
  return to_float({static_cast<std::uint16_t>(pair & 0xffffu)});
}
[[nodiscard]] inline float high_half(std::uint32_t pair) { return to_float({static_cast<std::uint16_t>(pair >> 16)}); }

/// ldmatrix.x4: rows[i] is row i % 8 of matrix i / 8; to[lane][m] are the two elements of matrix m that a lane gets.
inline void load_matrices(std::uint32_t (&to)[warp_lanes][4], const std::byte* const (&rows)[warp_lanes],
                          bool transposed)
{
  for (std::uint32_t matrix = 0; matrix < 4; ++matrix) {
    std::uint16_t elements[8][8];
    for (std::uint32_t row = 0; row < 8; ++row) std::memcpy(elements[row], rows[matrix * 8 + row], 16);
    for (std::uint32_t lane = 0; lane < warp_lanes; ++lane) {
      const std::uint32_t i = lane / 4;
      const std::uint32_t j = 2 * (lane % 4);
      const std::uint16_t low = transposed ? elements[j][i] : elements[i][j];
      const std::uint16_t high = transposed ? elements[j + 1][i] : elements[i][j + 1];
      to[lane][matrix] = std::uint32_t{high} << 16 | low;
    }
  }
}

/// mma.m16n8k16: D += A B over the operands of all lanes.
inline void multiply_add(float* const (&d)[warp_lanes], const std::uint32_t* const (&a)[warp_lanes],
                         const std::uint32_t* const (&b)[warp_lanes])
{
  using eight = float __attribute__((vector_size(32)));  // tests run this unoptimised, too
  float left[16][16];
  eight right[16];
  for (std::uint32_t lane = 0; lane < warp_lanes; ++lane) {
    const std::uint32_t g = lane / 4;
    const std::uint32_t c = 2 * (lane % 4);
    for (std::uint32_t part = 0; part < 4; ++part) {
      const std::uint32_t row = g + 8 * (part % 2);
      const std::uint32_t column = c + 8 * (part / 2);
      left[row][column] = low_half(a[lane][part]);
      left[row][column + 1] = high_half(a[lane][part]);
    }
    for (std::uint32_t part = 0; part < 2; ++part) {
      right[c + 8 * part][g] = low_half(b[lane][part]);
      right[c + 8 * part + 1][g] = high_half(b[lane][part]);
    }
  }
  for (std::uint32_t row = 0; row < 16; ++row) {
    eight sums = {};
    for (std::uint32_t k = 0; k < 16; ++k) sums += left[row][k] * right[k];
    for (std::uint32_t column = 0; column < 8; ++column) {
      d[row % 8 * 4 + column / 2][row / 8 * 2 + column % 2] += sums[column];
    }
  }
}

}  // namespace hstu::gpu
