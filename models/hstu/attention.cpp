#include "hstu/attention.hpp"

#include "hstu/elementwise.hpp"
#include "hstu/matmul.hpp"

#include <algorithm>

namespace hstu {
namespace {

constexpr std::uint32_t most_keys = 256;     // columns of a tile that all queries see
constexpr std::uint32_t diagonal_keys = 64;  // columns of a tile on the causal edge, where part of the work is wasted

constexpr std::size_t whole_vectors(std::size_t floats) { return (floats + 15) / 16 * 16; }

// Of keys that lie in one stretch.
void gather_stretch(float* keys, float* values, const key_stretch& from, kvstrata::layer_index layer,
                    std::uint32_t head, std::uint32_t first, std::uint32_t count)
{
  const elementwise& loops = best_elementwise();
  const kvstrata::page_table_view& view = *from.view;
  const std::size_t dim = view.shape.head_dim;
  const std::size_t stride = std::size_t{view.shape.kv_heads} * dim;
  const std::span<const kvstrata::page_id> pages = view.pages(from.request);
  const std::uint32_t first_page = view.first_token(from.request) / view.page_tokens;
  for (std::uint32_t done = 0; done < count;) {
    const std::uint32_t token = first - from.begin + done;
    const std::uint32_t inside = token % view.page_tokens;
    const std::uint32_t run = std::min(count - done, view.page_tokens - inside);
    const std::byte* page = view.page(layer, pages[token / view.page_tokens - first_page]);
    const std::size_t skip = inside * stride + head * dim;
    loops.copy_rows(keys + done * dim, reinterpret_cast<const float*>(page) + skip, stride, run, dim);
    const float* const value = reinterpret_cast<const float*>(page + view.value_offset()) + skip;
    for (std::uint32_t i = 0; i < run; ++i) {
      loops.copy_rows(values + (done + i) * spread_stride(dim), value + i * stride, stride, 1, dim);
    }
    done += run;
  }
}

const key_stretch& stretch_of(std::span<const key_stretch> all, std::uint32_t key)
{
  std::size_t i = 0;
  while (i + 1 < all.size() && all[i + 1].begin <= key) ++i;
  return all[i];
}

// A row's own key and value, which lie apart from the keys that it sees.
struct own_row
{
  const float* key;
  const float* value;
  std::uint32_t bucket;
};

own_row own_of(const attention_rows& all, std::size_t row, std::span<const key_stretch> from,
               kvstrata::layer_index layer)
{
  const kvstrata::page_table_view& any = *from.front().view;
  const std::size_t stride = std::size_t{any.shape.kv_heads} * any.shape.head_dim;
  if (all.on_page(row)) {
    const key_stretch& at = stretch_of(from, all.positions[row]);
    const std::byte* const key = at.view->key(layer, at.request, all.positions[row] - at.begin);
    return {reinterpret_cast<const float*>(key), reinterpret_cast<const float*>(key + at.view->value_offset()), 0};
  }
  const std::size_t number = row - all.first_candidate;
  if (all.candidate_slots != nullptr) {
    const std::byte* const key = all.candidate_slots[number] + any.where.offset(layer, 0);
    return {reinterpret_cast<const float*>(key), reinterpret_cast<const float*>(key + any.value_offset()),
            all.time_buckets == 0 ? 0 : all.own_buckets[number]};
  }
  return {all.candidate_keys + number * stride, all.candidate_values + number * stride,
          all.time_buckets == 0 ? 0 : all.own_buckets[number]};
}

}  // namespace

void gather(float* keys, float* values, std::span<const key_stretch> from, kvstrata::layer_index layer,
            std::uint32_t head, std::uint32_t first, std::uint32_t count)
{
  const std::size_t dim = from.front().view->shape.head_dim;
  for (std::size_t i = 0; count != 0; ++i) {
    const std::uint32_t end = i + 1 < from.size() ? from[i + 1].begin : first + count;
    if (end <= first) continue;
    const std::uint32_t run = std::min(count, end - first);
    gather_stretch(keys, values, from[i], layer, head, first, run);
    keys += run * dim;
    values += run * spread_stride(dim);
    first += run;
    count -= run;
  }
}

void attend(const attention_rows& all, std::span<const std::uint32_t> rows, const request_keys& from,
            kvstrata::layer_index layer, std::uint32_t head, const head_bias& bias, const gathered_head& gathered,
            attention_scratch& scratch)
{
  const elementwise& loops = best_elementwise();
  const kvstrata::geometry& shape = from.stretches.front().view->shape;
  const std::size_t dim = shape.head_dim;
  const std::size_t stride = std::size_t{shape.kv_heads} * dim;
  const std::size_t at_head = head * dim;
  const std::size_t value_stride = spread_stride(dim);
  scratch.rows.resize(rows.size());
  attention_scratch::query* const seen = scratch.rows.data();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t row = rows[i];
    seen[i] = {all.end_of(row), all.visible[row],
               all.time_buckets == 0 ? nullptr : all.bucket_begins + all.bucket_rows[row] * all.time_buckets};
  }

  float* queries = scratch.queries.reserve(most_queries * dim);
  float* outputs = scratch.outputs.reserve(most_queries * dim);
  float* const key_tile = gathered.keys != nullptr ? nullptr : scratch.keys.reserve(most_keys * dim);
  float* const value_tile = gathered.keys != nullptr ? nullptr : scratch.values.reserve(most_keys * value_stride);
  float* products = scratch.products.reserve(most_queries * most_keys);
  float* bias_row = scratch.bias.reserve(most_keys);
  scratch.cursors.assign(rows.size(), all.time_buckets == 0 ? 0 : static_cast<bucket_cursor>(all.time_buckets - 1));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    loops.scale(queries + i * dim, all.queries + rows[i] * stride + at_head, all.alpha, dim);
  }
  std::fill_n(outputs, rows.size() * dim, 0.0f);

  const bool plain = bias.empty();
  const std::uint32_t common = seen[0].end;  // keys that every query sees
  const std::uint32_t keys_end = seen[rows.size() - 1].end;
  std::size_t begin = 0;  // queries in front of it see nothing more
  for (std::uint32_t first = from.first, count = 0; first < keys_end; first += count) {
    count = std::min(keys_end - first, first + diagonal_keys > common ? diagonal_keys : most_keys);
    if (first < common) count = std::min(count, std::max(common - first, diagonal_keys));
    while (seen[begin].end <= first) ++begin;
    const std::size_t queries_left = rows.size() - begin;

    const float* keys = key_tile;
    const float* values = value_tile;
    if (gathered.keys != nullptr) {
      keys = gathered.keys + (first - gathered.first) * dim;
      values = gathered.values + (first - gathered.first) * value_stride;
    } else {
      gather(key_tile, value_tile, from.stretches, layer, head, first, count);
    }
    // Rows are padded to whole vectors, so that the loops over them have no tails.
    const std::size_t padded = whole_vectors(count);
    multiply_transposed(all.products, queries_left, count, dim, {queries + begin * dim, dim}, {keys, dim},
                        {products, padded}, scratch.rounded);
    for (std::size_t i = begin; i < rows.size(); ++i) {
      float* row = products + (i - begin) * padded;
      const std::uint32_t visible = std::min(count, seen[i].end - first);
      float constant = 0;
      if (plain ||
          bias.fill(bias_row, constant, seen[i].visible, first, visible, seen[i].begins, scratch.cursors[i], loops)) {
        loops.silu_offset(row, constant, whole_vectors(visible));
      } else {
        loops.silu_bias(row, bias_row, whole_vectors(visible));
      }
      std::fill(row + visible, row + count, 0.0f);
    }
    multiply_add(all.products, queries_left, dim, count, {products, padded}, {values, value_stride},
                 {outputs + begin * dim, dim}, scratch.rounded);
  }

  for (std::size_t i = 0; i < rows.size(); ++i) {
    float* output = outputs + i * dim;
    if (all.lies_apart(rows[i])) {
      const own_row own = own_of(all, rows[i], from.stretches, layer);
      float product = loops.dot(queries + i * dim, own.key + at_head, dim) + bias.own(own.bucket);
      loops.silu(&product, &product, 1);
      loops.add_scaled(output, own.value + at_head, product, dim);
    }
    loops.scale(all.outputs + rows[i] * stride + at_head, output, all.factor, dim);
  }
}

}  // namespace hstu
