#include "hstu/attention.hpp"

#include "hstu/elementwise.hpp"
#include "hstu/matmul.hpp"

#include <algorithm>

namespace hstu {
namespace {

constexpr std::uint32_t most_keys = 256;     // columns of a tile that all queries see
constexpr std::uint32_t diagonal_keys = 64;  // columns of a tile on the causal edge, where part of the work is wasted

constexpr std::size_t whole_vectors(std::size_t floats) { return (floats + 15) / 16 * 16; }

}  // namespace

void gather(float* keys, float* values, const kvstrata::page_table_view& view, kvstrata::layer_index layer,
            std::size_t request, std::uint32_t head, std::uint32_t first, std::uint32_t count)
{
  const elementwise& loops = best_elementwise();
  const std::size_t dim = view.shape.head_dim;
  const std::size_t stride = std::size_t{view.shape.kv_heads} * dim;
  const std::span<const kvstrata::page_id> pages = view.pages(request);
  const std::uint32_t first_page = view.first_token(request) / view.page_tokens;
  for (std::uint32_t done = 0; done < count;) {
    const std::uint32_t token = first + done;
    const std::uint32_t inside = token % view.page_tokens;
    const std::uint32_t run = std::min(count - done, view.page_tokens - inside);
    const std::byte* page = view.page(layer, pages[token / view.page_tokens - first_page]);
    const std::size_t skip = inside * stride + head * dim;
    loops.copy_rows(keys + done * dim, reinterpret_cast<const float*>(page) + skip, stride, run, dim);
    loops.copy_rows(values + done * dim, reinterpret_cast<const float*>(page + view.value_offset()) + skip, stride, run,
                    dim);
    done += run;
  }
}

void attend(const attention_rows& all, std::span<const std::uint32_t> rows, const kvstrata::page_table_view& view,
            kvstrata::layer_index layer, std::size_t request, std::uint32_t head, const head_bias& bias,
            const gathered_head& gathered, attention_scratch& scratch)
{
  const elementwise& loops = best_elementwise();
  const std::size_t dim = view.shape.head_dim;
  const std::size_t stride = std::size_t{view.shape.kv_heads} * dim;
  const std::size_t at_head = head * dim;
  const auto seen = [&](std::size_t i) { return all.positions[rows[i]] + (rows[i] < all.first_candidate ? 1 : 0); };

  float* queries = scratch.queries.reserve(most_queries * dim);
  float* outputs = scratch.outputs.reserve(most_queries * dim);
  float* const key_tile = gathered.keys != nullptr ? nullptr : scratch.keys.reserve(most_keys * dim);
  float* const value_tile = gathered.keys != nullptr ? nullptr : scratch.values.reserve(most_keys * dim);
  float* products = scratch.products.reserve(most_queries * most_keys);
  float* bias_row = scratch.bias.reserve(most_keys);
  scratch.cursors.assign(rows.size(), all.time_buckets == 0 ? 0 : static_cast<bucket_cursor>(all.time_buckets - 1));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    loops.scale(queries + i * dim, all.queries + rows[i] * stride + at_head, all.alpha, dim);
  }
  std::fill_n(outputs, rows.size() * dim, 0.0f);

  const std::uint32_t common = seen(0);  // keys that every query sees
  const std::uint32_t keys_end = seen(rows.size() - 1);
  std::size_t begin = 0;  // queries in front of it see nothing more
  for (std::uint32_t first = all.first_tokens[request], count = 0; first < keys_end; first += count) {
    count = std::min(keys_end - first, first + diagonal_keys > common ? diagonal_keys : most_keys);
    if (first < common) count = std::min(count, std::max(common - first, diagonal_keys));
    while (seen(begin) <= first) ++begin;
    const std::size_t queries_left = rows.size() - begin;

    const float* keys = key_tile;
    const float* values = value_tile;
    if (gathered.keys != nullptr) {
      keys = gathered.keys + (first - gathered.first) * dim;
      values = gathered.values + (first - gathered.first) * dim;
    } else {
      gather(key_tile, value_tile, view, layer, request, head, first, count);
    }
    // Rows are padded to whole vectors, so that the loops over them have no tails.
    const std::size_t padded = whole_vectors(count);
    multiply_transposed(all.products, queries_left, count, dim, {queries + begin * dim, dim}, {keys, dim},
                        {products, padded}, scratch.rounded);
    for (std::size_t i = begin; i < rows.size(); ++i) {
      float* row = products + (i - begin) * padded;
      const std::uint32_t visible = std::min(count, seen(i) - first);
      const std::size_t position_row = rows[i];
      float constant = 0;
      const std::uint32_t* begins = all.bucket_begins + all.bucket_rows[position_row] * all.time_buckets;
      if (bias.fill(bias_row, constant, all.positions[position_row], first, visible, begins, scratch.cursors[i],
                    loops)) {
        loops.silu_offset(row, constant, whole_vectors(visible));
      } else {
        loops.silu_bias(row, bias_row, whole_vectors(visible));
      }
      std::fill(row + visible, row + count, 0.0f);
    }
    multiply_add(all.products, queries_left, dim, count, {products, padded}, {values, dim},
                 {outputs + begin * dim, dim}, scratch.rounded);
  }

  for (std::size_t i = 0; i < rows.size(); ++i) {
    float* output = outputs + i * dim;
    if (rows[i] >= all.first_candidate) {
      const std::size_t own = (rows[i] - all.first_candidate) * stride + at_head;
      float product = loops.dot(queries + i * dim, all.candidate_keys + own, dim) +
                      bias.own(all.own_buckets[rows[i] - all.first_candidate]);
      loops.silu(&product, &product, 1);
      loops.add_scaled(output, all.candidate_values + own, product, dim);
    }
    loops.scale(all.outputs + rows[i] * stride + at_head, output, all.factor, dim);
  }
}

}  // namespace hstu
