// SiLU attention of some queries of one request and head over the keys on its pages.
//
// What a row sees is one number: the keys [first, visible), and itself. Itself once: a row that lies among those keys is
// counted there, one that follows them makes them longer by one, and one that lies elsewhere is added. A causal history has
// visible = position; a candidate sees what its user has done before it, and its own key lies on no page; tokens that see each
// other in both directions all see the end of their stretch.
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
  const float* queries = nullptr;           ///< [rows][D]
  float* outputs = nullptr;                 ///< [rows][D]
  const float* candidate_keys = nullptr;    ///< [rows - first_candidate][D]
  const float* candidate_values = nullptr;  ///< [rows - first_candidate][D]
  /// [rows - first_candidate] where theirs are on pages as the keys', at layer 0; null: they are in the two above.
  const std::byte* const* candidate_slots = nullptr;
  std::size_t first_candidate = 0;               ///< candidates from here on: not among the keys' pages
  const std::uint32_t* visible = nullptr;        ///< [rows] see above; biases by distance are counted from it
  const std::uint32_t* positions = nullptr;      ///< [first_candidate or more] a row's own key on the pages
  const std::uint32_t* bucket_rows = nullptr;    ///< [rows]
  const std::uint32_t* bucket_begins = nullptr;  ///< [...][time_buckets]
  const std::uint32_t* own_buckets = nullptr;    ///< [rows - first_candidate]
  std::size_t time_buckets = 0;
  float factor = 1;  ///< 1 / N
  float alpha = 1;   ///< of q k
  precision products = precision::f32;

  [[nodiscard]] bool on_page(std::size_t row) const { return row < first_candidate; }
  /// Where the keys end that a row sees, but for one of its own that lies apart.
  [[nodiscard]] std::uint32_t end_of(std::size_t row) const
  {
    return visible[row] + (on_page(row) && positions[row] == visible[row] ? 1 : 0);
  }
  /// Is a row's own key to be added to those?
  [[nodiscard]] bool lies_apart(std::size_t row) const { return !on_page(row) || positions[row] > visible[row]; }
};

/// Some of a request's keys, on the pages of one request of a view: key k is token k - begin there. It ends where the next
/// stretch begins.
struct key_stretch
{
  const kvstrata::page_table_view* view = nullptr;
  std::size_t request = 0;
  std::uint32_t begin = 0;
};

/// A request's keys from `first` on.
struct request_keys
{
  std::uint32_t first = 0;
  std::span<const key_stretch> stretches{};
};

/// One head's K and V of a stretch of tokens, out of their pages.
struct gathered_head
{
  const float* keys = nullptr;    ///< [tokens][head_dim]; null: not gathered
  const float* values = nullptr;  ///< [tokens][spread_stride(head_dim)]
  std::uint32_t first = 0;        ///< the first of the tokens
};

/// Copies one head's K and V of the keys [first, first + count) out of their pages, to [count][head_dim] and
/// [count][spread_stride(head_dim)].
void gather(float* keys, float* values, std::span<const key_stretch> from, kvstrata::layer_index layer,
            std::uint32_t head, std::uint32_t first, std::uint32_t count);

/// One thread's memory for attend().
struct attention_scratch
{
  buffer queries, outputs, keys, values, products, bias;
  rounded_operands rounded;
  std::vector<bucket_cursor> cursors;

  struct query
  {
    std::uint32_t end = 0;  // of the keys that it sees
    std::uint32_t visible = 0;
    const std::uint32_t* begins = nullptr;  // of its time buckets
  };
  std::vector<query> rows;
};

inline constexpr std::size_t most_queries = 256;  ///< rows of one call: their Q, O and products stay in the L2 cache

/// Computes outputs[row][head] for `rows` (at most most_queries, end_of() ascending): the sum over all keys that a row sees
/// of silu(alpha q k + bias) v / N. Needs K and V of layer `layer` of all those keys in their pages, and looks at no others;
/// where several tiles share them, gathered once.
void attend(const attention_rows& all, std::span<const std::uint32_t> rows, const request_keys& from,
            kvstrata::layer_index layer, std::uint32_t head, const head_bias& bias, const gathered_head& gathered,
            attention_scratch& scratch);

}  // namespace hstu
