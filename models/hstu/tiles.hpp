// Tiles: queries of one request that attend together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// Some queries of one request that attend together.
struct query_tile
{
  std::uint32_t request = 0;
  std::uint32_t first = 0;  ///< in the list of rows by request, whose ends ascend within a tile
  std::uint32_t count = 0;
  std::uint64_t cost = 0;  ///< query-key pairs
};

/// How large tiles are: `most_rows`, halved down to `least_rows` while there are fewer than two for each worker.
struct tiling
{
  std::size_t most_rows = 0;
  std::size_t least_rows = 0;
  std::size_t workers = 1;

  /// The most rows of a tile, where a batch has so many rows times heads.
  [[nodiscard]] constexpr std::size_t rows_for(std::size_t row_heads) const noexcept
  {
    std::size_t rows = most_rows;
    while (rows > least_rows && (row_heads + rows - 1) / rows < 2 * workers) rows /= 2;
    return rows;
  }
};

/// Adds tiles of rows[first, last), all of `request`. end_of(row) is where the keys end that a row sees, and ascends; the
/// request's keys begin at `first_key`. Linear in the rows.
template <class EndOf>
void add_tiles(std::vector<query_tile>& to, std::uint32_t request, std::span<const std::uint32_t> rows,
               std::uint32_t first, std::uint32_t last, std::size_t most_rows, std::uint32_t first_key, EndOf end_of)
{
  constexpr std::uint32_t widest_tile = 512;  // keys between what the first and the last query of a tile see
  for (std::uint32_t begin = first, end = first + 1; begin < last; ++end) {
    const std::uint32_t keys = end_of(rows[end - 1]);
    // Far apart, queries share too few keys to be worth a tile.
    const bool full = end == last || end - begin >= most_rows || end_of(rows[end]) - end_of(rows[begin]) > widest_tile;
    if (!full) continue;
    to.push_back({request, begin, end - begin, std::uint64_t{keys - first_key} * (end - begin)});
    begin = end;
  }
}

/// Costly ones first, so that a crew ends together.
inline void sort_by_cost(std::vector<query_tile>& tiles)
{
  std::sort(tiles.begin(), tiles.end(), [](const query_tile& a, const query_tile& b) { return a.cost > b.cost; });
}

}  // namespace hstu
