// A weight matrix as oneDNN's products want it, and the products of activations with it.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/matmul.hpp"
#include "hstu/precision.hpp"

#include <cstddef>
#include <memory>

namespace hstu {

/// Laid out once, so that no product packs it: few rows are as quick as many. In memory of its own, 4 or 2 bytes an
/// element. Immutable: any number of threads may multiply by it.
class packed_matrix
{
 public:
  packed_matrix();  ///< of no columns
  /// [inner][columns]; products are assigned or added. Throws kvstrata::error when oneDNN refuses, std::bad_alloc.
  packed_matrix(std::size_t inner, std::size_t columns, matrix<const float> from, precision in, store how);
  ~packed_matrix();
  packed_matrix(packed_matrix&&) noexcept;
  packed_matrix& operator=(packed_matrix&&) noexcept;

  /// C[rows][columns] = A[rows][inner] B, or C += A B, by the calling thread; both without gaps between rows. `scratch` is
  /// for what is rounded. Throws kvstrata::error when oneDNN refuses.
  void multiply(std::size_t rows, const float* a, float* c, buffer& scratch) const;

  /// Is a product of many rows quicker than the same in parts? Only where oneDNN has no packed form on this machine.
  [[nodiscard]] bool wants_many_rows() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace hstu
