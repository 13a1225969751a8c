// A model that can be checked by hand: in each layer, the row of a token is the row before it plus what the model makes of
// the token. A score is the sum of the last rows of all layers.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table_view.hpp>
#include <kvstrata/plan/request.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// What a kernel is given of a page table: where the rows of one request lie, in the cache's slab or anywhere else.
struct request_rows
{
  std::byte* base = nullptr;
  kvstrata::placement where;
  kvstrata::token_count page_tokens = 0;
  std::vector<kvstrata::page_id> pages;

  // A copy, as the arrays of the view are the lease's.
  static request_rows of(const kvstrata::page_table_view& view)
  {
    const auto pages = view.pages(0);
    return {view.base, view.where, view.page_tokens, {pages.begin(), pages.end()}};
  }

  // The same in memory of one's own: page after page, layer after layer.
  static request_rows in(std::byte* memory, std::size_t bytes, kvstrata::token_count page_tokens);

  float& key(kvstrata::layer_index layer, kvstrata::token_count token) const
  {
    const std::uint64_t offset = where.offset(layer, kvstrata::to_number(pages[token / page_tokens]));
    return reinterpret_cast<float*>(base + offset)[token % page_tokens];
  }
};

struct running_sum
{
  static constexpr kvstrata::geometry shape{
      .layers = 2, .kv_heads = 1, .head_dim = 1, .element = kvstrata::element_type::f32};

  kvstrata::epoch_id epoch{};  // every version scores differently

  // What layer `layer` adds for the user's event `token`. Whole numbers: sums are exact.
  float part_of(kvstrata::user_id user, kvstrata::layer_index layer, kvstrata::token_count token) const
  {
    const std::uint64_t event = (to_number(user) * 7 + token * 5) % 101;
    return static_cast<float>(event * (layer + 1) + to_number(epoch));
  }

  // A layer's kernel: writes the rows `compute`, reads those before them. Returns the layer's part of the score.
  float run(const kvstrata::request& what, kvstrata::layer_index layer, const request_rows& rows,
            std::span<const kvstrata::token_interval> compute) const
  {
    for (const kvstrata::token_interval piece : compute) {
      for (kvstrata::token_count t = piece.begin; t < piece.end; ++t) {
        rows.key(layer, t) = (t == 0 ? 0 : rows.key(layer, t - 1)) + part_of(what.user, layer, t);
      }
    }
    return rows.key(layer, what.history_tokens - 1);
  }

  // The same without any memory of what was computed before.
  float score_alone(kvstrata::user_id user, kvstrata::token_count history) const
  {
    float score = 0;
    for (kvstrata::layer_index layer = 0; layer < shape.layers; ++layer) {
      for (kvstrata::token_count t = 0; t < history; ++t) score += part_of(user, layer, t);
    }
    return score;
  }
};

inline request_rows request_rows::in(std::byte* memory, std::size_t bytes, kvstrata::token_count page_tokens)
{
  const std::size_t page = page_tokens * running_sum::shape.token_layer_bytes();
  const std::size_t layer = bytes / running_sum::shape.layers;
  request_rows out{memory, {.layer_stride = layer, .page_stride = page}, page_tokens, {}};
  for (std::uint32_t i = 0; i < layer / page; ++i) out.pages.push_back(kvstrata::to_page(i));
  return out;
}
