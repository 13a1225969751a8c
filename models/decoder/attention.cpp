#include "decoder/attention.hpp"

#include "decoder/attention_tiles.hpp"
#include "decoder/config.hpp"
#include "decoder/loops/loops.hpp"

#include "hstu/elementwise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace decoder {
namespace {

// One head's K and V of tokens [first, first + count) out of their pages, [count][head_dim] each: a page's stretch at a time.
void gather(float* keys, float* values, const kvstrata::page_table_view& view, kvstrata::layer_index layer,
            std::size_t request, std::uint32_t head, std::uint32_t first, std::uint32_t count)
{
  const auto copy_rows = hstu::best_elementwise().copy_rows;
  const std::size_t dim = view.shape.head_dim;
  const std::size_t stride = view.shape.kv_heads * dim;
  for (std::uint32_t done = 0, run = 0; done < count; done += run) {
    const std::uint32_t token = first + done;
    run = std::min(count - done, view.page_tokens - token % view.page_tokens);
    const std::byte* const key = view.key(layer, request, token);
    copy_rows(keys + done * dim, reinterpret_cast<const float*>(key) + head * dim, stride, run, dim);
    copy_rows(values + done * dim, reinterpret_cast<const float*>(key + view.value_offset()) + head * dim, stride, run,
              dim);
  }
}

// A single query has nothing to share a tile with: it reads the pages where they are.
std::uint64_t attend_alone(const float* query, std::uint32_t end, const kvstrata::page_table_view& view,
                           kvstrata::layer_index layer, std::size_t request, std::uint32_t head, state to,
                           stage_scratch& scratch)
{
  const loops& l = best_loops();
  const std::size_t dim = view.shape.head_dim;
  const std::size_t stride = view.shape.kv_heads * dim;
  const float scale = score_scale(view.shape.head_dim);
  const std::uint32_t first = view.first_token(request);
  float* const scores = scratch.products.reserve(end - first);
  const auto pages = [&](auto&& each) {  // stretches of tokens within a page
    for (std::uint32_t token = first, run = 0; token < end; token += run) {
      run = std::min(end - token, view.page_tokens - token % view.page_tokens);
      each(token - first, run, reinterpret_cast<const float*>(view.key(layer, request, token)) + head * dim);
    }
  };
  pages([&](std::uint32_t at, std::uint32_t run, const float* keys) {
    for (std::uint32_t i = 0; i < run; ++i) scores[at + i] = l.dot(query, keys + i * stride, dim);
  });
  const float best = scale * l.largest(scores, end - first);
  const float sum = l.exp2(scores, scale, best, end - first);
  const std::size_t values = view.value_offset() / sizeof(float);
  pages([&](std::uint32_t at, std::uint32_t run, const float* keys) {
    for (std::uint32_t i = 0; i < run; ++i) l.add_scaled(to.o, keys + values + i * stride, scores[at + i], dim);
  });
  l.scale(to.o, 1.0f / sum, dim);
  *to.lse = best + std::log2(sum);
  return std::uint64_t{2} * (end - first) * dim * sizeof(float);
}

}  // namespace

float score_scale(std::uint32_t head_dim) noexcept
{
  return std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(head_dim));
}

std::uint64_t attend_pages(const query_rows& queries, std::span<const std::uint32_t> seen,
                           const kvstrata::page_table_view& view, kvstrata::layer_index layer, std::size_t request,
                           std::uint32_t head, const state_rows& to, stage_scratch& scratch)
{
  const std::uint32_t first = view.first_token(request);
  if (queries.rows == 1 && seen[0] > first) {
    to[0].clear(view.shape.head_dim);
    return attend_alone(queries.data, seen[0], view, layer, request, head, to[0], scratch);
  }
  return attend_tiles(
      queries, seen, first, view.shape.head_dim,
      [&](float* keys, float* values, std::uint32_t from, std::uint32_t count) {
        gather(keys, values, view, layer, request, head, from, count);
      },
      to, scratch);
}

std::uint64_t attend_prompt(const query_rows& queries, std::span<const std::uint32_t> seen,
                            std::span<const kvstrata::page_table_view> fronts, const kvstrata::page_table_view& view,
                            kvstrata::layer_index layer, std::size_t request, std::uint32_t head, const state_rows& to,
                            stage_scratch& scratch)
{
  std::uint64_t read = attend_pages(queries, seen, view, layer, request, head, to, scratch);
  const std::size_t dim = view.shape.head_dim;
  for (const kvstrata::page_table_view& front : fronts) {
    scratch.whole.assign(queries.rows, front.tokens(request));
    const state_rows part{scratch.o.reserve(queries.rows * dim), dim, scratch.lse.reserve(queries.rows)};
    read += attend_pages(queries, scratch.whole, front, layer, request, head, part, scratch);
    for (std::size_t row = 0; row < queries.rows; ++row) to[row].merge(part[row], dim);
  }
  return read;
}

std::uint64_t attend_own(const float* query, std::span<const std::uint32_t> rows,
                         const kvstrata::page_table_view& scratch, kvstrata::layer_index layer, std::size_t request,
                         std::uint32_t head, state to, float* own)
{
  if (rows.empty()) return 0;
  const loops& l = best_loops();
  const std::size_t dim = scratch.shape.head_dim;
  const float scale = score_scale(scratch.shape.head_dim);
  std::array<float, most_levels> scores;
  std::array<const float*, most_levels> values;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::byte* const key = scratch.key(layer, request, rows[i]);
    scores[i] = l.dot(query, reinterpret_cast<const float*>(key) + head * dim, dim);
    values[i] = reinterpret_cast<const float*>(key + scratch.value_offset()) + head * dim;
  }
  const float best =
      scale * *std::max_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(rows.size()));
  const float sum = l.exp2(scores.data(), scale, best, rows.size());
  std::fill_n(own, dim, 0.0f);
  for (std::size_t i = 0; i < rows.size(); ++i) l.add_scaled(own, values[i], scores[i] / sum, dim);
  float lse = best + std::log2(sum);
  to.merge({own, &lse}, dim);
  return 2 * rows.size() * dim * sizeof(float);
}

}  // namespace decoder
