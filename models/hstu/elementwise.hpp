// The loops between the matrix products. Compiled once per instruction set, chosen when the program starts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hstu {

struct elementwise
{
  /// to[i] = silu(from[i]); the two may be the same array.
  void (*silu)(float* to, const float* from, std::size_t count);
  /// values[i] = silu(values[i] + offset)
  void (*silu_offset)(float* values, float offset, std::size_t count);
  /// values[i] = silu(values[i] + bias[i])
  void (*silu_bias)(float* values, const float* bias, std::size_t count);
  /// to[i] = (from[i] - mean) / sqrt(variance + epsilon)
  void (*normalise)(float* to, const float* from, float epsilon, std::size_t count);
  /// to[i] = normalise(from)[i] * gate[i]
  void (*normalise_gated)(float* to, const float* from, const float* gate, float epsilon, std::size_t count);
  /// to[i] = a[i] + b[i]
  void (*add)(float* to, const float* a, const float* b, std::size_t count);
  /// to[i] = a[i] * b[i]
  void (*multiply)(float* to, const float* a, const float* b, std::size_t count);
  /// to[i] += factor * from[i]
  void (*add_scaled)(float* to, const float* from, float factor, std::size_t count);
  /// to[i] = factor * from[i]
  void (*scale)(float* to, const float* from, float factor, std::size_t count);
  /// Sum of a[i] * b[i].
  float (*dot)(const float* a, const float* b, std::size_t count);
  /// to[i] = value
  void (*fill)(float* to, float value, std::size_t count);
  /// to[i] = from[-i] + offset
  void (*fill_reversed)(float* to, const float* from, float offset, std::size_t count);
  /// Copies `rows` rows of `count` floats to a dense array.
  void (*copy_rows)(float* to, const float* from, std::size_t from_stride, std::size_t rows, std::size_t count);
  /// to[i] = from[i] in bf16, the nearest, of two the even one; a NaN stays one.
  void (*round)(std::uint16_t* to, const float* from, std::size_t count);
};

/// The widest variant this machine runs.
[[nodiscard]] const elementwise& best_elementwise() noexcept;

extern const elementwise elementwise_baseline;
extern const elementwise elementwise_avx2;
extern const elementwise elementwise_avx512;
extern const elementwise elementwise_avx512_divides;

}  // namespace hstu
