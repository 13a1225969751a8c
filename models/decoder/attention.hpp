// Softmax attention in stages, on the CPU. Each stage leaves partial states (kvstrata/attention), which merge.
//
//   pages        queries of one request and head against the history in pages; all queries in one product a tile of keys, and a
//                tile of keys read once for all of them. Of beams every query sees all of it, of a history's own tokens what is
//                not behind them.
//   own tokens   each beam against its own few tokens in scratch, wherever the beam layout says they are
//
// Scores are counted in powers of two: 2^(q k log2(e) / sqrt(head_dim)) is what softmax wants.
#pragma once

#include <kvstrata/attention/softmax_state.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include "hstu/buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

using state = kvstrata::softmax_state<kvstrata::log_base::two>;

/// log2(e) / sqrt(head_dim)
[[nodiscard]] float score_scale(std::uint32_t head_dim) noexcept;

/// States of rows, one head of each: row r's is {o + r * o_stride, lse + r * lse_stride}.
struct state_rows
{
  float* o = nullptr;
  std::size_t o_stride = 0;
  float* lse = nullptr;
  std::size_t lse_stride = 1;

  [[nodiscard]] state operator[](std::size_t row) const noexcept
  {
    return {o + row * o_stride, lse + row * lse_stride};
  }
};

/// One head's queries of some rows: row r's is [head_dim] at data + r * stride.
struct query_rows
{
  const float* data = nullptr;
  std::size_t stride = 0;
  std::size_t rows = 0;
};

/// One thread's memory for a stage.
struct stage_scratch
{
  hstu::buffer keys, values, products, most, sum;
  hstu::buffer o, lse;               // of another part's states
  std::vector<std::uint32_t> whole;  // what rows see of a part that all of them see
};

/// The states of rows over the tokens [first_token, seen[row]) of request `request` of a view; seen must ascend, and not be
/// beyond the request's tokens; where a row sees nothing, its state is the identity. K and V of those tokens and `layer` must lie in
/// their pages. Returns the bytes of K and V that were read.
std::uint64_t attend_pages(const query_rows& queries, std::span<const std::uint32_t> seen,
                           const kvstrata::page_table_view& view, kvstrata::layer_index layer, std::size_t request,
                           std::uint32_t head, const state_rows& to, stage_scratch& scratch);

/// The same where other parts of a prompt stand in front of the view, whose tokens all rows see: a stage more for each, merged.
std::uint64_t attend_prompt(const query_rows& queries, std::span<const std::uint32_t> seen,
                            std::span<const kvstrata::page_table_view> fronts, const kvstrata::page_table_view& view,
                            kvstrata::layer_index layer, std::size_t request, std::uint32_t head, const state_rows& to,
                            stage_scratch& scratch);

/// The state of one query over the rows of scratch with the given numbers: tokens of request `request` of the view. Merged into
/// `to`; `own` is [head_dim] to compute in. Returns the bytes of K and V that were read.
std::uint64_t attend_own(const float* query, std::span<const std::uint32_t> rows,
                         const kvstrata::page_table_view& scratch, kvstrata::layer_index layer, std::size_t request,
                         std::uint32_t head, state to, float* own);

}  // namespace decoder
