// Which rows a pass computes, what each of them sees, and which attend together. Plain data, made before anything is computed.
#pragma once

#include "hstu/tiles.hpp"
#include "mtgr/request.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mtgr {

/// Throws kvstrata::geometry_error when the pages are of another shape than `shape` or the parts' differ,
/// kvstrata::history_error when a request contradicts itself or its pages; the sentence names request, value and limit.
void check_batch(const config& c, const kvstrata::geometry& shape, std::span<const request> batch,
                 const part_views& views);

/// Rows are the tokens that a pass computes, by domain: U of all requests, then S, R and the candidates of all.
///
/// The keys of a request are numbered: part 0 from 0 on, R from recent_begin on. What a row sees is then one number. U and S
/// see all of part 0; the i-th token of R sees what is before it; a candidate sees what of R happened earlier than it, which
/// is a prefix because times do not descend. Nobody sees a candidate but itself.
///
///              U S      R        candidates
///     U S     1 1 1    . . .     . . .
///     R       1 1 1    1 . .     . . .      R sees itself, too
///             1 1 1    1 1 .     . . .
///     cand.   1 1 1    1 1 1     1 . .      dated after all of R
///             1 1 1    1 . .     . 1 .      dated between two of them
///             1 1 1    . . .     . . 1      dated before
struct row_plan
{
  std::size_t rows = 0;
  std::size_t page_rows = 0;                     ///< rows in front are on pages, the others candidates
  std::array<std::size_t, domains + 1> begin{};  ///< where each domain's rows begin
  std::vector<std::uint32_t> requests;           ///< [rows]
  std::vector<std::uint32_t> tokens;             ///< [page_rows] of its part; of candidates the number in its request
  std::vector<std::uint32_t> sources;            ///< [rows] which of its request's given vectors of its domain it is
  std::vector<std::uint32_t> visible;            ///< [rows] keys [0, visible) and itself
  std::vector<std::uint32_t> positions;          ///< [page_rows] its own key
  std::vector<std::uint32_t> recent_begin;       ///< [requests]
  std::vector<std::size_t> first_candidate;      ///< [requests + 1] counted in candidates
  std::vector<std::uint32_t> tile_rows;  ///< by request all rows, then its candidates, ascending in what they see
  std::vector<hstu::query_tile> tiles;   ///< of all rows, costly first
  std::vector<hstu::query_tile> candidate_tiles;  ///< of candidates: the last layer's

  /// Numbers of keys of R begin at a multiple of `alignment`: 1 where keys of both parts are side by side.
  void assign(const config& c, std::span<const request> batch, std::uint32_t alignment, const hstu::tiling& tiles_as);

  [[nodiscard]] domain domain_of(std::size_t row) const
  {
    return row < begin[1]   ? domain::user
           : row < begin[2] ? domain::sequence
           : row < begin[3] ? domain::recent
                            : domain::candidate;
  }
  [[nodiscard]] bool is_static(std::size_t row) const { return row < begin[2]; }
  /// Where the keys on pages end that a row sees.
  [[nodiscard]] std::uint32_t end_of(std::size_t row) const
  {
    return visible[row] + (row < page_rows && positions[row] == visible[row] ? 1 : 0);
  }

 private:
  void add_row(std::uint32_t number, std::uint32_t token, std::uint32_t source, std::uint32_t sees);
  void assign_tiles(const config& c, std::size_t batch_size, const hstu::tiling& tiles_as);
};

/// The features of a row.
[[nodiscard]] const float* features_of(const config& c, const row_plan& plan, std::span<const request> batch,
                                       std::size_t row);

}  // namespace mtgr
