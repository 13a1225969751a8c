// What a head of layers (hstu/head.hpp) does to rows between its products.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/row_kernel.hpp"
#include "hstu/gpu/vectors.hpp"
#include "hstu/head.hpp"

#include <cmath>

namespace hstu::gpu {

/// For the rows [first_row, last_row): what the layer before leaves, after(from + bias), normalised as the next one wants it,
/// rounded into `to` with zeros up to `padded`; or, where `scores` is set, as it is. A warp a row, which is read as often as
/// the norm asks: rows are few and short.
struct head_row_kernel : row_kernel
{
  rows_of<const float> from;    ///< [rows][width]
  std::uint32_t width = 0;      ///< any
  const float* bias = nullptr;  ///< [width] or null
  activation after = activation::none;

  normalisation norm = normalisation::none;
  const float* weight = nullptr;  ///< [width] or null: of normalisation::layer, as the next
  const float* shift = nullptr;   ///< [width] or null
  float epsilon = 0;

  rows_of<bf16> to;          ///< [rows][padded]
  std::uint32_t padded = 0;  ///< an even number
  rows_of<float> scores;     ///< [rows][width], in place of `to`

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t r = row(block);
    if (r >= last_row) return;
    const float* const values = from.row(r);
    float mean = 0;
    float factor = 1;
    if (norm == normalisation::layer) {
      mean = sum<Block>(block, values, 0, false) / static_cast<float>(width);
      factor = 1.0f / std::sqrt(sum<Block>(block, values, mean, true) / static_cast<float>(width) + epsilon);
    } else if (norm == normalisation::l2) {
      const float length = std::sqrt(sum<Block>(block, values, 0, true));
      factor = 1.0f / (length > epsilon ? length : epsilon);
    }
    if (scores.data != nullptr) {
      for (std::uint32_t i = lane(block); i < width; i += 32) scores.row(r)[i] = normal<Block>(values, i, mean, factor);
      return;
    }
    for (std::uint32_t i = 2 * lane(block); i < padded; i += 64) {
      const float low = normal<Block>(values, i, mean, factor);
      const float high = normal<Block>(values, i + 1, mean, factor);
      store_vector(to.row(r) + i, bf16x2{Block::pack(low, high)});
    }
  }

 private:
  /// Over the row, of what lies `around` it, or of that squared. Collective.
  template <class Block>
  [[nodiscard]] HSTU_KERNEL float sum(Block& block, const float* values, float around, bool squared) const
  {
    float all = 0;
    for (std::uint32_t i = lane(block); i < width; i += 32) {
      const float apart = active<Block>(values, i) - around;
      all += squared ? apart * apart : apart;
    }
    return sum_of_warp(block, all);
  }

  template <class Block>
  [[nodiscard]] HSTU_KERNEL float normal(const float* values, std::uint32_t i, float mean, float factor) const
  {
    if (i >= width) return 0;
    float out = (active<Block>(values, i) - mean) * factor;
    if (weight != nullptr) out *= weight[i];
    if (shift != nullptr) out += shift[i];
    return out;
  }

  template <class Block>
  [[nodiscard]] HSTU_KERNEL float active(const float* values, std::uint32_t i) const
  {
    const float x = bias == nullptr ? values[i] : values[i] + bias[i];
    switch (after) {
      case activation::none: return x;
      case activation::silu: return Block::silu(x);
      case activation::relu: return x > 0 ? x : 0.0f;
      case activation::gelu: return 0.5f * x * (1 + std::erf(x * 0.70710678f));
      case activation::sigmoid: return Block::reciprocal(1 + Block::exp2(x * -1.44269504f));
    }
    return x;
  }
};

}  // namespace hstu::gpu
