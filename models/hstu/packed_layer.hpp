// The matrices of one layer, as products read them: of any model that projects to U, Q, K, V and adds what an output makes.
#pragma once

#include "hstu/packed_matrix.hpp"
#include "hstu/row_blocks.hpp"

#include <cstddef>

namespace hstu {

/// D is the width of one of U, Q, K, V.
struct packed_layer
{
  packed_matrix gates_and_queries;  ///< [hidden][2 * D], columns U and Q, ...
  packed_matrix keys_and_values;    ///< ... K and V: of most rows the last layer wants these alone
  packed_matrix output;             ///< [D][hidden], whose products are added

  /// `project` is [hidden][4 * D], columns U, Q, K, V, `from_output` [D][hidden]. What packed_matrix throws.
  packed_layer(std::size_t hidden, std::size_t width, const float* project, const float* from_output, precision in)
      : gates_and_queries(hidden, 2 * width, {project, 4 * width}, in, store::assign),
        keys_and_values(hidden, 2 * width, {project + 2 * width, 4 * width}, in, store::assign),
        output(width, hidden, {from_output, hidden}, in, store::add)
  {
  }

  /// How many rows its products are best given at once.
  [[nodiscard]] row_blocks blocks(std::size_t hidden, std::size_t width) const
  {
    return row_blocks::of(hidden * 4 * width, keys_and_values.wants_many_rows());
  }
};

}  // namespace hstu
