// The normalisations between the products: each row to mean 0 and variance 1, in one read of it.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"

#include <cmath>

namespace hstu::gpu {

inline constexpr std::uint32_t widest_row = 16 * 32 * vector_width;  ///< elements that a warp holds in registers

/// A row in the registers of a warp: thread i has the vectors i, i + 32, ... of it, Vectors at most.
template <std::uint32_t Vectors>
class row_in_warp
{
 public:
  HSTU_FUNCTION row_in_warp(std::uint32_t lane, std::uint32_t width) : first_(lane * vector_width), width_(width) {}

  [[nodiscard]] HSTU_FUNCTION std::uint32_t at(std::uint32_t v) const { return first_ + v * 32 * vector_width; }
  [[nodiscard]] HSTU_FUNCTION bool has(std::uint32_t v) const { return at(v) < width_; }
  [[nodiscard]] HSTU_FUNCTION const float* vector(std::uint32_t v) const { return values_[v]; }

  /// Reads all that this thread has; the loads are queued before the first is used.
  HSTU_FUNCTION void load(const float* row)
  {
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t half = 0; half < 2; ++half) {
        floatx4 read{};
        if (has(v)) read = load_vector<floatx4>(row + at(v) + half * 4);
        for (std::uint32_t i = 0; i < 4; ++i) values_[v][half * 4 + i] = read.values[i];
      }
    }
  }
  HSTU_FUNCTION void load(const bf16* row)
  {
    bf16x8 read[Vectors];
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      read[v] = bf16x8{};
      if (has(v)) read[v] = load_vector<bf16x8>(row + at(v));
    }
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) values_[v][i] = element(read[v], i);
    }
  }

  /// Multiplies by another row.
  HSTU_FUNCTION void multiply(const bf16* row)
  {
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      if (!has(v)) continue;
      const auto read = load_vector<bf16x8>(row + at(v));
      for (std::uint32_t i = 0; i < vector_width; ++i) values_[v][i] *= element(read, i);
    }
  }

  /// To a mean square of 1. Collective.
  template <class Block>
  HSTU_KERNEL void divide_by_root_mean_square(Block& block, float epsilon)
  {
    float squares = 0;
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) squares += values_[v][i] * values_[v][i];
    }
    const float scale = 1.0f / std::sqrt(sum_of_warp(block, squares) / static_cast<float>(width_) + epsilon);
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) values_[v][i] *= scale;
    }
  }

  /// To mean 0 and variance 1, by the mean first and then the squares of what differs from it. Collective.
  template <class Block>
  HSTU_KERNEL void normalise(Block& block, float epsilon)
  {
    float sum = 0;
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) sum += values_[v][i];
    }
    const float mean = sum_of_warp(block, sum) / static_cast<float>(width_);
    float squares = 0;
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) {
        values_[v][i] -= mean;
        if (has(v)) squares += values_[v][i] * values_[v][i];
      }
    }
    const float variance = sum_of_warp(block, squares) / static_cast<float>(width_);
    const float scale = 1.0f / std::sqrt(variance + epsilon);
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      for (std::uint32_t i = 0; i < vector_width; ++i) values_[v][i] *= scale;
    }
  }

 private:
  std::uint32_t first_;
  std::uint32_t width_;
  float values_[Vectors][vector_width];
};

/// normal[row] = residual[row], normalised, for the rows [first_row, last_row). A warp a row; it is read once, with all
/// loads on their way at once. Limited by memory: it reads 4 and writes 2 bytes an element.
template <std::uint32_t Vectors>
struct normalise_kernel : row_kernel
{
  static constexpr std::uint32_t blocks_per_sm = Vectors > 8 ? 2 : Vectors > 4 ? 4 : 8;

  rows_of<const float> residual;  ///< [rows][width]
  rows_of<bf16> normal;           ///< [rows][width]
  std::uint32_t width = 0;        ///< a multiple of 8, at most Vectors * 256
  float epsilon = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    row_in_warp<Vectors> values(this->lane(block), width);
    values.load(residual.row(r));
    values.normalise(block, epsilon);
    bf16* to = normal.row(r);
    for (std::uint32_t v = 0; v < Vectors; ++v) {
      if (values.has(v)) store_vector(to + values.at(v), pack_vector<Block>(values.vector(v)));
    }
  }
};

/// attended[row] = normalised attended[row] * gate[row], in place, for the rows [first_row, last_row). A warp a row.
/// Limited by memory: it reads 4 and writes 2 bytes an element. Affine: between the two it multiplies by `weight` and adds
/// `bias`.
template <std::uint32_t Vectors, bool Affine>
struct gate_kernel : row_kernel
{
  static constexpr std::uint32_t blocks_per_sm = Vectors > 8 ? 2 : Vectors > 4 ? 4 : Vectors > 2 ? 6 : 8;

  rows_of<bf16> attended;         ///< [rows][width]
  rows_of<const bf16> gate;       ///< [rows][width]
  const float* weight = nullptr;  ///< [width] or null
  const float* bias = nullptr;    ///< [width] or null
  std::uint32_t width = 0;        ///< a multiple of 8, at most Vectors * 256
  float epsilon = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = this->row(block);
    if (r >= last_row) return;
    row_in_warp<Vectors> values(this->lane(block), width);
    bf16* row = attended.row(r);
    const bf16* by = gate.row(r);
    if constexpr (Affine) {  // gates are read last, vector by vector: registers hold no more beside the row
      values.load(row);
      values.normalise(block, epsilon);
      HSTU_UNROLL
      for (std::uint32_t v = 0; v < Vectors; ++v) {
        if (values.has(v)) store_affine<Block>(row, values.at(v), values.vector(v), by);
      }
    } else {
      bf16x8 gates[Vectors];
      for (std::uint32_t v = 0; v < Vectors; ++v) {
        gates[v] = bf16x8{};
        if (values.has(v)) gates[v] = load_vector<bf16x8>(by + values.at(v));
      }
      values.load(row);
      values.normalise(block, epsilon);
      for (std::uint32_t v = 0; v < Vectors; ++v) {
        if (values.has(v)) store_gated<Block>(row + values.at(v), values.vector(v), gates[v]);
      }
    }
  }

 private:
  template <class Block>
  HSTU_KERNEL void store_affine(bf16* row, std::uint32_t at, const float* values, const bf16* by) const
  {
    float affine[vector_width];
    HSTU_UNROLL
    for (std::uint32_t half = 0; half < vector_width; half += 4) {
      floatx4 times{{1, 1, 1, 1}};
      floatx4 plus{};
      if (weight != nullptr) times = load_vector<floatx4>(weight + at + half);
      if (bias != nullptr) plus = load_vector<floatx4>(bias + at + half);
      HSTU_UNROLL
      for (std::uint32_t i = 0; i < 4; ++i) affine[half + i] = values[half + i] * times.values[i] + plus.values[i];
    }
    store_gated<Block>(row + at, affine, load_vector<bf16x8>(by + at));
  }
  template <class Block>
  HSTU_KERNEL static void store_gated(bf16* to, const float* values, const bf16x8& gates)
  {
    float gated[vector_width];
    for (std::uint32_t i = 0; i < vector_width; ++i) gated[i] = values[i] * element(gates, i);
    store_vector(to, pack_vector<Block>(gated));
  }
};

template <std::uint32_t Vectors>
using normalise_gate_kernel = gate_kernel<Vectors, false>;
template <std::uint32_t Vectors>
using normalise_affine_gate_kernel = gate_kernel<Vectors, true>;

/// Calls f with the Kernel<Vectors> whose registers just hold a row of `width` elements, at most widest_row.
template <template <std::uint32_t> class Kernel, class F>
void with_row_kernel(std::uint32_t width, F&& f)
{
  if (width <= 256) return f(Kernel<1>{});
  if (width <= 512) return f(Kernel<2>{});
  if (width <= 1024) return f(Kernel<4>{});
  if (width <= 2048) return f(Kernel<8>{});
  f(Kernel<16>{});
}

}  // namespace hstu::gpu
