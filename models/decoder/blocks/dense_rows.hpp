// K and V of one layer of whole sequences, in memory of the pass's own: what rows attend to where all of them are computed.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/attention_tiles.hpp"
#include "decoder/model.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace decoder {

/// Sequence s has the rows [first_rows[s], first_rows[s + 1]) of a row_stack, which see each other causally. Keeps its memory.
class dense_rows
{
 public:
  explicit dense_rows(const model& m) : model_(&m), scratch_(m.crew().size()) {}

  void start(std::span<const std::size_t> first_rows)
  {
    const kvstrata::geometry shape = shape_of();
    first_rows_.assign(first_rows.begin(), first_rows.end());
    std::size_t longest = 1;
    for (std::size_t s = 0; s + 1 < first_rows_.size(); ++s) longest = (std::max)(longest, tokens(s));
    longest_ = static_cast<kvstrata::token_count>(longest);
    kv_.reserve(sequences() * longest * shape.token_layer_bytes() / sizeof(float));
    table_.start(sequences());
    for (std::size_t s = 0; s < sequences(); ++s) {
      if (tokens(s) != 0) table_.append(static_cast<kvstrata::page_count>(s), 1);
      table_.finish_request(0, static_cast<kvstrata::token_count>(tokens(s)), longest_);
    }
    seen_.clear();
    for (std::size_t s = 0; s < sequences(); ++s) {
      for (std::uint32_t t = 0; t < tokens(s); ++t) seen_.push_back(t + 1);
    }
    lse_.reserve(first_rows_.back() * model_->options().heads);
  }

  /// Takes K and V of all rows, as they were projected and turned.
  void take(const row_stack& rows)
  {
    const kvstrata::page_table_view v = view();
    const std::size_t bytes = v.shape.key_bytes();
    for (std::size_t s = 0; s < sequences(); ++s) {
      for (std::size_t row = first_rows_[s]; row < first_rows_[s + 1]; ++row) {
        std::byte* const key = v.key(0, s, static_cast<kvstrata::token_count>(row - first_rows_[s]));
        std::memcpy(key, rows.keys(row), bytes);
        std::memcpy(key + v.value_offset(), rows.values(row), bytes);
      }
    }
  }

  /// All rows attend. `received`: where not null, [heads][rows] that the weights which each key receives are added to, a head's
  /// apart from another's.
  void attend(row_stack& rows, float* received = nullptr)
  {
    const config& c = model_->options();
    const std::size_t width = width_of(c), all = first_rows_.back();
    const kvstrata::page_table_view v = view();
    model_->crew().each(sequences() * c.heads, [&](std::size_t item, std::size_t member) {
      const std::size_t s = item / c.heads, head = item % c.heads, first = first_rows_[s];
      if (tokens(s) == 0) return;
      const std::size_t at = head * c.head_dim;
      const query_rows queries{rows.queries(first) + at, rows.stride(), tokens(s)};
      const auto seen = std::span(seen_).subspan(first, tokens(s));
      float* const lse = lse_.data() + head * all + first;
      const auto gather = [&](float* keys, float* values, std::uint32_t from, std::uint32_t count) {
        const auto* const key = reinterpret_cast<const float*>(v.key(0, s, from)) + at;
        for (std::uint32_t i = 0; i < count; ++i) {
          std::copy_n(key + i * width, c.head_dim, keys + i * c.head_dim);
          std::copy_n(key + i * width + v.value_offset() / sizeof(float), c.head_dim, values + i * c.head_dim);
        }
      };
      attend_tiles(queries, seen, 0, c.head_dim, gather, {rows.attended() + first * width + at, width, lse},
                   scratch_[member]);
      if (received != nullptr) {
        add_received(queries, seen, 0, c.head_dim, gather, lse, received + head * all + first, scratch_[member]);
      }
    });
  }

  /// K of a row; V lies value_offset() bytes behind it. Until the next take().
  [[nodiscard]] kvstrata::page_table_view view() const noexcept
  {
    const kvstrata::geometry shape = shape_of();
    return table_.view(reinterpret_cast<std::byte*>(kv_.data()),
                       {.layer_stride = 0, .page_stride = longest_ * shape.token_layer_bytes()}, shape, longest_);
  }

 private:
  [[nodiscard]] std::size_t sequences() const noexcept { return first_rows_.size() - 1; }
  [[nodiscard]] std::size_t tokens(std::size_t s) const noexcept { return first_rows_[s + 1] - first_rows_[s]; }
  [[nodiscard]] kvstrata::geometry shape_of() const noexcept
  {
    kvstrata::geometry shape = model_->shape();
    shape.layers = 1;
    return shape;
  }

  const model* model_;
  std::vector<std::size_t> first_rows_{0};
  kvstrata::token_count longest_ = 1;
  kvstrata::page_table table_;
  hstu::buffer kv_;                  // [sequences][K, V][longest][D]
  std::vector<std::uint32_t> seen_;  // [rows]
  hstu::buffer lse_;                 // [heads][rows]
  std::vector<stage_scratch> scratch_;
};

}  // namespace decoder
