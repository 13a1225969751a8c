// Matrix products of activations with each other: oneDNN's on row-major arrays with any row strides. Those with weights are
// in packed_matrix.hpp.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/precision.hpp"

#include <cstddef>

namespace hstu {

/// A view of a row-major matrix in memory.
template <class Float>
struct matrix
{
  Float* data = nullptr;
  std::size_t stride = 0;  ///< floats from a row to the next
};

enum class store { assign, add };

/// Floats from a row to the next that suit the right side of a product: an odd number of cache lines. Where oneDNN reads it as it
/// lies (AVX2, few rows), rows a power of two apart share few sets of the caches, and the product takes up to twice the time.
[[nodiscard]] constexpr std::size_t spread_stride(std::size_t columns) noexcept
{
  constexpr std::size_t line = 64 / sizeof(float);
  return ((columns + line - 1) / line | 1) * line;
}

/// In f32: C[m][n] = A[m][k] B[k][n], or C += A B. Throws kvstrata::error when oneDNN refuses.
void multiply(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
              matrix<float> c, store how = store::assign);

/// In f32: C[m][n] = A[m][k] B[n][k]^T.
void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
                         matrix<float> c);

/// One thread's memory for what a product rounds to bf16.
struct rounded_operands
{
  buffer a, b;
};

/// C[m][n] += A[m][k] B[k][n]. Throws kvstrata::error when oneDNN refuses.
void multiply_add(precision in, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a,
                  matrix<const float> b, matrix<float> c, rounded_operands& scratch);

/// C[m][n] = A[m][k] B[n][k]^T, likewise.
void multiply_transposed(precision in, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a,
                         matrix<const float> b, matrix<float> c, rounded_operands& scratch);

}  // namespace hstu
