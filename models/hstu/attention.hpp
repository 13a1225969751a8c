// HSTU attention of some queries of one request and head over the pages of its history.
#pragma once

#include "hstu/bias.hpp"
#include "hstu/buffer.hpp"
#include "hstu/matmul.hpp"

#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// A layer's rows, as workspace.hpp lays them out, with all heads side by side. D is heads * head_dim.
struct attention_rows
{
  const float* queries = nullptr;                ///< [rows][D]
  float* outputs = nullptr;                      ///< [rows][D]
  const float* candidate_keys = nullptr;         ///< [rows - first_candidate][D]
  const float* candidate_values = nullptr;       ///< [rows - first_candidate][D]
  std::size_t first_candidate = 0;               ///< rows from here on also attend to themselves
  const std::uint32_t* positions = nullptr;      ///< [rows]
  const std::uint32_t* first_tokens = nullptr;   ///< [requests] where their windows begin
  const std::uint32_t* bucket_rows = nullptr;    ///< [rows]
  const std::uint32_t* bucket_begins = nullptr;  ///< [...][time_buckets]
  const std::uint32_t* own_buckets = nullptr;    ///< [rows - first_candidate]
  std::size_t time_buckets = 0;
  float factor = 1;  ///< 1 / N
  float alpha = 1;   ///< of q k
  precision products = precision::f32;
};

/// One head's K and V of a stretch of tokens, out of their pages.
struct gathered_head
{
  const float* keys = nullptr;  ///< [tokens][head_dim]; null: not gathered
  const float* values = nullptr;
  std::uint32_t first = 0;  ///< the first of the tokens
};

/// Copies one head's K and V of tokens [first, first + count) out of their pages, to [count][head_dim] each.
void gather(float* keys, float* values, const kvstrata::page_table_view& view, kvstrata::layer_index layer,
            std::size_t request, std::uint32_t head, std::uint32_t first, std::uint32_t count);

/// One thread's memory for attend().
struct attention_scratch
{
  buffer queries, outputs, keys, values, products, bias;
  rounded_operands rounded;
  std::vector<bucket_cursor> cursors;
};

inline constexpr std::size_t most_queries = 256;  ///< rows of one call: their Q, O and products stay in the L2 cache

/// Computes outputs[row][head] for `rows` (at most most_queries, positions ascending): the sum over all keys that the
/// row sees of silu(alpha q k + bias) v / N. A history token at position p sees the keys [first, p], first being its request's
/// first token; a candidate at position p sees [first, p) and itself. Needs K and V of layer `layer` of all those tokens in
/// their pages; where several tiles share them, gathered once.
void attend(const attention_rows& all, std::span<const std::uint32_t> rows, const kvstrata::page_table_view& view,
            kvstrata::layer_index layer, std::size_t request, std::uint32_t head, const head_bias& bias,
            const gathered_head& gathered, attention_scratch& scratch);

}  // namespace hstu
