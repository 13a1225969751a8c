// Which bytes of the cache's pages a step of a pass reads and writes: for a runner whose device checks their order.
#pragma once

#include "hstu/rows.hpp"

#include <kvstrata/core/ids.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hstu::gpu {

struct touched_bytes
{
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// A runner that wants to be told: `touches` says that what is queued next reads and writes these bytes.
template <class R>
concept watches_pages = requires(R& r, const R& asked, kvstrata::stream_id stream, std::string_view label,
                                 std::span<const touched_bytes> reads, std::span<const touched_bytes> writes) {
  { asked.watches() } -> std::same_as<bool>;
  r.touches(stream, label, reads, writes);
};

/// K and V of the rows [first, last), which are history tokens.
[[nodiscard]] inline std::vector<touched_bytes> bytes_of_rows(const kvstrata::page_table_view& view,
                                                              kvstrata::layer_index layer,
                                                              std::span<const std::uint64_t> slots, std::size_t first,
                                                              std::size_t last)
{
  std::vector<touched_bytes> out;
  const std::byte* const base = view.base + view.where.offset(layer, 0);
  for (std::size_t row = first; row < last; ++row) {
    for (const std::size_t part : {std::size_t{0}, view.value_offset()}) {
      out.push_back({base + slots[row] + part, view.shape.key_bytes()});
    }
  }
  return out;
}

/// K and V of all tokens that the queries of these tiles see.
[[nodiscard]] inline std::vector<touched_bytes> bytes_of_tiles(const kvstrata::page_table_view& view,
                                                               kvstrata::layer_index layer, const row_plan& plan,
                                                               std::span<const query_tile> tiles)
{
  std::vector<std::uint32_t> seen(view.size(), 0);
  for (const query_tile& t : tiles) {
    seen[t.request] = (std::max)(seen[t.request], plan.seen(plan.tile_rows[t.first + t.count - 1]));
  }
  std::vector<touched_bytes> out;
  for (std::size_t r = 0; r < seen.size(); ++r) {
    for (std::uint32_t token = plan.first_tokens[r], next = 0; token < seen[r]; token = next) {
      next = (std::min)((token / view.page_tokens + 1) * view.page_tokens, seen[r]);
      const std::size_t bytes = (next - token) * view.shape.key_bytes();
      out.push_back({view.key(layer, r, token), bytes});
      out.push_back({view.key(layer, r, token) + view.value_offset(), bytes});
    }
  }
  return out;
}

}  // namespace hstu::gpu
