// The loops of the decoder and of beam search between the matrix products. Compiled once per instruction set, chosen when
// the program starts.
#pragma once

#include <cstddef>

namespace decoder {

struct loops
{
  /// The largest of the values; -infinity of none. A NaN may be passed over: sum_exp2 and exp2 keep it.
  float (*largest)(const float* values, std::size_t count);
  /// Sum of 2^(scale * values[i] - offset): 0 for -infinity, a NaN stays one, below 2^-126 counts as 0.
  float (*sum_exp2)(const float* values, float scale, float offset, std::size_t count);
  /// values[i] = 2^(scale * values[i] - offset), likewise; the sum of them.
  float (*exp2)(float* values, float scale, float offset, std::size_t count);
  /// to[i] = weight[i] * from[i] / sqrt(mean of from[k]^2 + epsilon)
  void (*rms_norm)(float* to, const float* from, const float* weight, float epsilon, std::size_t count);
  /// to[i] = silu(gate[i]) * up[i]
  void (*gate)(float* to, const float* gate, const float* up, std::size_t count);
  /// to[i] += factor * from[i]
  void (*add_scaled)(float* to, const float* from, float factor, std::size_t count);
  /// to[i] = factor * to[i]
  void (*scale)(float* to, float factor, std::size_t count);
  /// Sum of a[i] * b[i].
  float (*dot)(const float* a, const float* b, std::size_t count);
  /// Pairs (i, half + i) of a row of 2 * half numbers, turned by the angles whose cosines and sines are given.
  void (*rotate)(float* row, const float* cosines, const float* sines, std::size_t half);
};

/// The widest variant this machine runs.
[[nodiscard]] const loops& best_loops() noexcept;

extern const loops loops_baseline;
extern const loops loops_avx2;
extern const loops loops_avx512;

}  // namespace decoder
