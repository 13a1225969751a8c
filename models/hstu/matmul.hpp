// Matrix products of the model: oneDNN's sgemm on row-major arrays with any row strides.
#pragma once

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

/// C[m][n] = A[m][k] B[k][n], or C += AB. Throws kvstrata::error when oneDNN refuses.
void multiply(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
              matrix<float> c, store how = store::assign);

/// C[m][n] = A[m][k] B[n][k]^T.
void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
                         matrix<float> c);

}  // namespace hstu
