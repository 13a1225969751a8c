// Which rows a pass computes, and which of them attend together. Plain data, made before anything is computed.
#pragma once

#include "hstu/model.hpp"
#include "hstu/tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// Throws what batch_forward's constructor promises. `shape` is what the pages must hold.
void check_batch(const config& c, const kvstrata::geometry& shape, std::span<const request> batch,
                 const kvstrata::page_table_view& view);

/// Rows are the tokens a pass computes: the history tokens of all requests, then the candidates of all requests, then, of
/// the requests that ask for its state, their history's last token once more, which is computed as a candidate at its own
/// place is. Where fronts are apart, those of all requests come first. Assigning keeps the vectors' memory.
struct row_plan
{
  std::size_t rows = 0;
  std::size_t front_rows = 0;                  ///< rows in front are tokens of fronts; 0 where these are not apart
  std::size_t history_rows = 0;                ///< rows in front are history tokens, the others candidates ...
  std::size_t candidate_rows = 0;              ///< ... so many, and then last tokens
  std::vector<std::uint32_t> first_tokens;     ///< [requests] where their windows begin
  std::vector<std::size_t> first_front_row;    ///< [requests + 1]
  std::vector<std::size_t> first_history_row;  ///< [requests + 1]
  std::vector<std::size_t> first_candidate;    ///< [requests + 1], counted in candidates
  std::vector<std::size_t> first_last;         ///< [requests + 1], counted in last tokens

  std::vector<std::uint32_t> positions;      ///< [rows] a candidate's is the length of its history
  std::vector<std::uint32_t> requests;       ///< [rows]
  std::vector<std::uint32_t> bucket_rows;    ///< [rows] the row of bucket_begins for its time
  std::size_t distinct_times = 0;            ///< of queries
  std::vector<std::uint32_t> bucket_begins;  ///< [distinct_times][time_buckets], see bias.hpp; empty until asked for

  std::vector<std::uint32_t> own_buckets;  ///< [rows - history_rows] of the time from a candidate to what it looks from

  std::vector<std::uint32_t> tile_rows;     ///< rows by request, ascending in position
  std::vector<query_tile> front_tiles;      ///< tokens of fronts that are apart, costly first
  std::vector<query_tile> tiles;            ///< other history tokens and candidates, costly first
  std::vector<query_tile> candidate_tiles;  ///< candidates and last tokens alone: the last layer's

  /// Plans all but bucket_begins.
  void assign(const config& c, std::span<const request> batch, fronts how, const tiling& tiles_as);

  /// Sizes bucket_begins and own_buckets.
  void reserve_time_buckets(const config& c)
  {
    bucket_begins.resize(distinct_times * c.time_buckets);
    own_buckets.assign(rows - history_rows, 0);
  }

  /// The first row of a request's candidates, and the row of its last token where it has one.
  [[nodiscard]] std::size_t candidate_row(std::size_t number) const { return history_rows + first_candidate[number]; }
  [[nodiscard]] std::size_t last_row(std::size_t number) const
  {
    return history_rows + candidate_rows + first_last[number];
  }
  [[nodiscard]] bool is_candidate(std::size_t row) const
  {
    return row >= history_rows && row < history_rows + candidate_rows;
  }
  [[nodiscard]] bool has_last(std::size_t number) const { return first_last[number] != first_last[number + 1]; }

  /// The number of a history row's token among those of its request's compute list.
  [[nodiscard]] std::size_t computed_number(std::size_t row) const
  {
    const std::size_t r = requests[row];
    if (row < front_rows) return row - first_front_row[r];
    return first_front_row[r + 1] - first_front_row[r] + row - first_history_row[r];
  }

  /// Fills bucket_begins for one request.
  void find_time_buckets(const config& c, const request& r, std::size_t number);

  /// Where the keys end that a row sees; they begin with its request's first token.
  [[nodiscard]] std::uint32_t seen(std::size_t row) const { return positions[row] + (row < history_rows ? 1 : 0); }

 private:
  void assign_rows(const config& c, std::span<const request> batch, fronts how);
  void assign_history(const config& c, const request& r, std::uint32_t number);
  void assign_tiles(const config& c, std::size_t batch_size, const tiling& tiles_as);
};

/// A row's vector, where the caller brings them.
[[nodiscard]] inline const float* input_of(const config& c, const row_plan& plan, std::span<const request> batch,
                                           std::size_t row)
{
  const std::size_t number = plan.requests[row];
  const request& r = batch[number];
  if (row < plan.history_rows) return r.inputs.data() + plan.computed_number(row) * c.hidden;
  if (plan.is_candidate(row)) return r.candidate_inputs.data() + (row - plan.candidate_row(number)) * c.hidden;
  return r.last_input.data();
}

}  // namespace hstu
