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
