// The attention of one layer of a batch: all its tiles and heads, by a crew. Any model's whose rows see a prefix and
// themselves.
#pragma once

#include "hstu/attention.hpp"
#include "hstu/buffer.hpp"
#include "hstu/crew.hpp"
#include "hstu/tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// Rows, and the keys that they see.
struct attention_batch
{
  attention_rows rows;
  std::span<const request_keys> keys{};        ///< [requests]
  std::span<const std::uint32_t> tile_rows{};  ///< what tiles point into
  std::uint32_t heads = 0;
  std::uint32_t head_dim = 0;
  std::span<const float> position_bias{};  ///< [heads][distances] or empty
  std::span<const float> time_bias{};      ///< [heads][rows.time_buckets] or empty
};

/// Scratch memory of attention, kept between calls. One thread at a time.
class tile_attention
{
 public:
  /// Computes what attend() promises for all rows of `tiles` and all heads. Blocks until done. K and V of a request that has
  /// several tiles are copied out of their pages once for all of them.
  void run(crew& team, const attention_batch& batch, std::span<const query_tile> tiles, kvstrata::layer_index layer);

 private:
  // Keys of a request whose K and V lie together, head by head.
  struct gathered_keys
  {
    std::uint32_t tiles = 0;  // that read them
    std::uint32_t first = 0;
    std::uint32_t count = 0;  // 0: not gathered
    std::size_t at = 0;       // in tokens of a head: [heads][count]
  };

  void gather_shared(crew& team, const attention_batch& batch, std::span<const query_tile> tiles,
                     kvstrata::layer_index layer);
  [[nodiscard]] gathered_head gathered_of(std::uint32_t request, std::uint32_t head, std::uint32_t head_dim) const;

  std::vector<gathered_keys> gathered_;  // [requests]
  std::vector<std::uint32_t> several_;   // requests that have several tiles
  buffer keys_, values_;
  std::vector<attention_scratch> scratch_;  // [members of the crew]
};

}  // namespace hstu
