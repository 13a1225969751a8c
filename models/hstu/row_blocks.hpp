// Blocks of rows: what a crew's members take of a product with a weight matrix.
#pragma once

#include "hstu/crew.hpp"

#include <algorithm>
#include <cstddef>

namespace hstu {

/// How many rows a block has.
struct row_blocks
{
  std::size_t most = 256;
  bool few_are_slow = false;  ///< where products of few rows are: then a member that has but few takes them at once

  /// Of matrices that products pack or not (packed_matrix::wants_many_rows()): one that no cache keeps costs too much for few
  /// rows where it is packed anew.
  [[nodiscard]] static row_blocks of(std::size_t matrix_floats, bool wants_many_rows) noexcept
  {
    constexpr std::size_t kept_floats = std::size_t{1} << 20;
    return {wants_many_rows && matrix_floats > kept_floats ? 384u : 256u, wants_many_rows};
  }

  /// Enough blocks for `members` to share evenly, none so small that the product's fixed costs show.
  [[nodiscard]] std::size_t rows_for(std::size_t rows, std::size_t members) const noexcept
  {
    const std::size_t shares = few_are_slow && rows <= most * members ? members : 2 * members;
    return (std::min)(most, ((rows + shares - 1) / shares + 15) / 16 * 16);
  }
};

/// Calls body(begin, end, member) for blocks of the rows [first, last), on all members of the crew.
template <class Body>
void each_block(crew& team, const row_blocks& blocks, std::size_t first, std::size_t last, Body body)
{
  if (first >= last) return;
  const std::size_t step = blocks.rows_for(last - first, team.size());
  team.each((last - first + step - 1) / step, [&](std::size_t block, std::size_t member) {
    const std::size_t begin = first + block * step;
    body(begin, (std::min)(begin + step, last), member);
  });
}

}  // namespace hstu
