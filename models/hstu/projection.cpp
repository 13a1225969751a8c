#include "hstu/projection.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace hstu {
namespace {

// Where a row's columns of part `part` (U, Q, K, V: 0 to 3) and head `head` begin.
std::size_t column_of(const config& c, std::size_t part, std::size_t head)
{
  constexpr std::array<std::size_t, 4> in_uvqk = {0, 2, 3, 1};
  const std::size_t dim = c.head_dim;
  switch (c.projection) {
    case projection_order::u_q_k_v: return part * width_of(c) + head * dim;
    case projection_order::u_v_q_k: return in_uvqk[part] * width_of(c) + head * dim;
    case projection_order::u_v_q_k_by_head: return (head * 4 + in_uvqk[part]) * dim;
  }
  return 0;
}

void arrange(const config& c, std::vector<float>& matrix, std::vector<float>& row)
{
  const std::size_t columns = 4 * width_of(c);
  row.resize(columns);
  for (std::size_t begin = 0; begin < matrix.size(); begin += columns) {
    float* const at = matrix.data() + begin;
    std::copy_n(at, columns, row.data());
    for (std::size_t part = 0; part < 4; ++part) {
      for (std::size_t head = 0; head < c.heads; ++head) {
        std::copy_n(row.data() + column_of(c, part, head), c.head_dim, at + part * width_of(c) + head * c.head_dim);
      }
    }
  }
}

}  // namespace

void arrange_projection(const config& c, layer_weights& layer)
{
  if (c.projection == projection_order::u_q_k_v) return;
  std::vector<float> row;
  arrange(c, layer.project, row);
  arrange(c, layer.project_bias, row);
}

}  // namespace hstu
