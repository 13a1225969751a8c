#include "hstu/tile_attention.hpp"

#include <algorithm>

namespace hstu {

// By head: each tile would copy them for itself.
void tile_attention::gather_shared(crew& team, const attention_batch& batch, std::span<const query_tile> tiles,
                                   kvstrata::layer_index layer)
{
  gathered_.assign(batch.keys.size(), {});
  for (const query_tile& tile : tiles) {
    gathered_keys& one = gathered_[tile.request];
    ++one.tiles;
    one.first = batch.keys[tile.request].first;
    const std::uint32_t end = batch.rows.end_of(batch.tile_rows[tile.first + tile.count - 1]);
    one.count = (std::max)(one.count, (std::max)(end, one.first) - one.first);
  }
  several_.clear();
  std::size_t tokens = 0;
  for (std::uint32_t r = 0; r < gathered_.size(); ++r) {
    gathered_keys& one = gathered_[r];
    if (one.tiles < 2) one.count = 0;
    if (one.count == 0) continue;
    one.at = tokens;
    tokens += std::size_t{one.count} * batch.heads;
    several_.push_back(r);
  }
  const std::size_t value_stride = spread_stride(batch.head_dim);
  float* const keys = keys_.reserve(tokens * batch.head_dim);
  float* const values = values_.reserve(tokens * value_stride);
  team.each(several_.size() * batch.heads, [&](std::size_t item, std::size_t) {
    const std::uint32_t r = several_[item / batch.heads];
    const gathered_keys& one = gathered_[r];
    const auto head = static_cast<std::uint32_t>(item % batch.heads);
    const std::size_t at = one.at + std::size_t{head} * one.count;
    gather(keys + at * batch.head_dim, values + at * value_stride, batch.keys[r].stretches, layer, head, one.first,
           one.count);
  });
}

gathered_head tile_attention::gathered_of(std::uint32_t request, std::uint32_t head, std::uint32_t head_dim) const
{
  const gathered_keys& one = gathered_[request];
  if (one.count == 0) return {};
  const std::size_t at = one.at + std::size_t{head} * one.count;
  return {keys_.data() + at * head_dim, values_.data() + at * spread_stride(head_dim), one.first};
}

void tile_attention::run(crew& team, const attention_batch& batch, std::span<const query_tile> tiles,
                         kvstrata::layer_index layer)
{
  if (tiles.empty()) return;
  gather_shared(team, batch, tiles, layer);
  scratch_.resize((std::max)(scratch_.size(), team.size()));
  const std::size_t distances = batch.position_bias.size() / batch.heads;
  const std::size_t times = batch.time_bias.size() / batch.heads;
  team.each(tiles.size() * batch.heads, [&](std::size_t item, std::size_t member) {
    const query_tile& tile = tiles[item / batch.heads];
    const auto head = static_cast<std::uint32_t>(item % batch.heads);
    const head_bias bias(batch.position_bias.subspan(head * distances, distances),
                         batch.time_bias.subspan(head * times, times));
    attend(batch.rows, batch.tile_rows.subspan(tile.first, tile.count), batch.keys[tile.request], layer, head, bias,
           gathered_of(tile.request, head, batch.head_dim), scratch_[member]);
  });
}

}  // namespace hstu
