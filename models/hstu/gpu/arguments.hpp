// What kernels are told of a pass: pointers into device memory, with their shapes. D is heads * head_dim.
#pragma once

#include "hstu/gpu/bf16.hpp"
#include "hstu/gpu/function.hpp"
#include "hstu/rows.hpp"

#include <cstddef>
#include <cstdint>

namespace hstu::gpu {

/// A matrix by rows; row r begins `stride` elements behind row r - 1.
template <class T>
struct rows_of
{
  T* data = nullptr;
  std::size_t stride = 0;

  [[nodiscard]] HSTU_FUNCTION T* row(std::size_t r) const noexcept { return data + r * stride; }
};

/// Keys that are none: the rest of a page behind which another stretch of tokens begins on a page of its own. Nobody sees
/// them, whatever is visible. `end` is a multiple of a page's tokens, or `begin`.
struct key_gap
{
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// One layer of the pages of a batch: kvstrata::page_table_view with its arrays in device memory. Keys are the tokens of a
/// request's pages, counted from the beginning of the first of them: where a window begins inside it, some are hidden.
struct layer_pages
{
  const std::uint32_t* page_ids = nullptr;  ///< [indptr[requests]]
  const std::int32_t* indptr = nullptr;     ///< [requests + 1]
  std::byte* base = nullptr;                ///< page 0 of the layer
  std::uint64_t page_stride = 0;            ///< bytes
  std::uint32_t page_tokens = 0;
  std::uint32_t width = 0;                ///< D: a page is bf16 [K, V][page_tokens][D]
  const std::uint32_t* hidden = nullptr;  ///< [requests] keys in front that nobody sees; null: none
  const key_gap* gaps = nullptr;  ///< [requests] where a second stretch of keys has pages of its own; null: none

  [[nodiscard]] HSTU_FUNCTION std::uint32_t hidden_of(std::uint32_t request) const
  {
    return hidden == nullptr ? 0 : hidden[request];
  }
};

/// One layer's relative bias. Null tables add nothing.
struct layer_bias
{
  const float* by_distance = nullptr;           ///< [heads][distances], the last for all farther ones
  const float* by_time = nullptr;               ///< [heads][times], buckets as in hstu/bias.hpp
  std::uint32_t distances = 0;                  ///< 0: no bias by distance
  std::uint32_t times = 0;                      ///< 0: no bias by time
  const std::int64_t* least_seconds = nullptr;  ///< [times] of a bucket; [0] is the least int64
  const std::int64_t* event_times = nullptr;    ///< [events of all requests] seconds, ascending, hidden ones too
  const std::uint32_t* first_event = nullptr;   ///< [requests + 1]; keys 2e and 2e + 1 of a request are its event e
  const std::int64_t* row_times = nullptr;      ///< [rows] the seconds that a query looks from
  const std::uint32_t* own_buckets = nullptr;   ///< [rows - first_candidate] of a candidate with itself; null: all 0
};

/// The attention of one layer over tiles of rows. Rows are those of row_plan: tokens that are on pages, then candidates, which
/// are not. What a row sees is one number: the keys [h, visible) of its request, h being its hidden ones, and itself, itself
/// once: a row on a page whose own key lies among those is counted there, one that follows them makes them longer by one, and
/// one that lies elsewhere is added, as every candidate is.
struct attention_arguments
{
  rows_of<const bf16> queries;           ///< [rows][D], after SiLU
  rows_of<bf16> outputs;                 ///< [rows][D] the sum over keys of silu(q k + bias) v / N
  rows_of<const bf16> candidate_keys;    ///< [rows - first_candidate][D]
  rows_of<const bf16> candidate_values;  ///< [rows - first_candidate][D]
  layer_pages pages;
  layer_bias bias;
  const query_tile* tiles = nullptr;         ///< [tile_count]
  const std::uint32_t* tile_rows = nullptr;  ///< rows of the tiles, ascending in what they see within a tile
  const std::uint32_t* visible = nullptr;    ///< [rows] below 2^30; biases by distance are counted from it
  const std::uint32_t* positions = nullptr;  ///< [first_candidate] a row's own key; null: all follow what they see
  std::uint32_t tile_count = 0;
  std::uint32_t first_candidate = 0;
  std::uint32_t heads = 0;
  float factor = 1;  ///< 1 / N

  // Where tiles are few and keys many, several blocks share the keys of a tile, and the sums of their sums follow.
  std::uint32_t parts = 1;     ///< blocks of a tile and head at most
  float* part_sums = nullptr;  ///< [part_floats(...)] of attention_parts.hpp to work in; may be null for 1 part

  /// Where a row's own key lies: before where it sees to, right there, or elsewhere.
  [[nodiscard]] HSTU_FUNCTION bool follows(std::uint32_t row) const
  {
    return row < first_candidate && (positions == nullptr || positions[row] == visible[row]);
  }
  [[nodiscard]] HSTU_FUNCTION bool lies_apart(std::uint32_t row) const
  {
    return row >= first_candidate || (positions != nullptr && positions[row] > visible[row]);
  }
  /// Where the keys end that a row sees, but for one of its own that lies apart.
  [[nodiscard]] HSTU_FUNCTION std::uint32_t end_of(std::uint32_t row) const
  {
    return visible[row] + (follows(row) ? 1 : 0);
  }
};

}  // namespace hstu::gpu
