// K and V of a context as attention sees them, wherever they lie: to compare passes with each other.
#pragma once

#include "decoder/blocks/block_positions.hpp"
#include "decoder/loops/loops.hpp"

#include <kvstrata/assembly/assembled_view.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace decoder {

/// Of one layer, K at its position: [context][D] each.
struct layer_rows
{
  std::vector<float> keys, values;
};

[[nodiscard]] inline layer_rows rows_of(const kvstrata::assembled_view& view, kvstrata::layer_index layer,
                                        const block_positions& positions)
{
  const kvstrata::geometry& shape = view.overlay.shape;
  const std::size_t width = std::size_t{shape.kv_heads} * shape.head_dim;
  const kvstrata::read_angles turn = positions.read();
  layer_rows out{std::vector<float>(view.context * width), std::vector<float>(view.context * width)};
  for (kvstrata::token_count p = 0; p < view.context; ++p) {
    const std::byte* const key = view.key(layer, p);
    float* const mine = out.keys.data() + p * width;
    std::memcpy(mine, key, shape.key_bytes());
    std::memcpy(out.values.data() + p * width, key + view.value_offset(), shape.key_bytes());
    for (std::uint32_t head = 0; turn.turn() && !view.is_computed(p) && head < shape.kv_heads; ++head) {
      best_loops().rotate(mine + std::size_t{head} * shape.head_dim, turn.cosines_at(p), turn.sines_at(p),
                          shape.head_dim / 2);
    }
  }
  return out;
}

/// |a - b| / |b| over all numbers; 0 where both are empty.
[[nodiscard]] inline double relative_error(const std::vector<float>& a, const std::vector<float>& b)
{
  double apart = 0, all = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    apart += d * d;
    all += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return all == 0 ? std::sqrt(apart) : std::sqrt(apart / all);
}

}  // namespace decoder
