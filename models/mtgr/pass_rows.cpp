// What the steps of a pass do with a block of rows: make tokens, project, output, score.
#include "mtgr/pass_state.hpp"

#include <algorithm>

namespace mtgr {

// Of one domain.
void batch_forward::state::make_tokens(domain d, std::size_t begin, std::size_t end, member& mine)
{
  const token_weights& w = parameters.tokens[static_cast<std::size_t>(d)];
  const packed_weights::token_matrices& by = packed.tokens[static_cast<std::size_t>(d)];
  const std::size_t count = end - begin;
  const std::size_t features = mtgr::features_of(options, d);
  const std::size_t inner = options.token_hidden;
  const std::size_t hidden = options.hidden;
  float* const from = mine.inputs.reserve(count * features);
  float* const between = mine.results.reserve(count * inner);
  for (std::size_t i = 0; i < count; ++i) {
    std::copy_n(mtgr::features_of(options, plan, requests, begin + i), features, from + i * features);
  }
  by.in.multiply(count, from, between, mine.product);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t of_token = d == domain::user ? plan.tokens[begin + i] * inner : 0;
    loops.silu_bias(between + i * inner, w.in_bias.data() + of_token, inner);
  }
  float* const to = work->x.data() + begin * hidden;
  by.out.multiply(count, between, to, mine.product);
  for (std::size_t i = 0; i < count; ++i) loops.add(to + i * hidden, to + i * hidden, w.out_bias.data(), hidden);
}

// K and V into the pages of their part or, of candidates that have none, into the workspace; U, Q of the rows from first_whole on into the
// workspace.
void batch_forward::state::project(kvstrata::layer_index l, std::size_t begin, std::size_t end, std::size_t first_whole,
                                   member& mine)
{
  const layer_weights& w = parameters.layers[l];
  const std::size_t hidden = options.hidden;
  const std::size_t count = end - begin;
  const std::size_t pair = 2 * width;
  float* const normal = mine.inputs.reserve(count * hidden);
  float* const projected = mine.results.reserve(count * pair);  // K, V; then U, Q
  for (std::size_t i = 0; i < count; ++i) {
    normalise(w.input, plan.domain_of(begin + i), normal + i * hidden, work->x.data() + (begin + i) * hidden, hidden);
  }
  packed.layers[l].keys_and_values.multiply(count, normal, projected, mine.product);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = begin + i;
    float* const from = projected + i * pair;
    loops.add(from, from, w.project_bias.data() + pair, pair);
    if (std::byte* const slot = slot_of(l, row); slot != nullptr) {
      loops.silu(reinterpret_cast<float*>(slot), from, width);
      loops.silu(reinterpret_cast<float*>(slot + views.statics.value_offset()), from + width, width);
    } else {
      const std::size_t at = (row - plan.page_rows) * width;
      loops.silu(work->own_keys.data() + at, from, width);
      loops.silu(work->own_values.data() + at, from + width, width);
    }
  }
  const std::size_t whole = (std::max)(begin, first_whole);
  if (whole >= end) return;
  packed.layers[l].gates_and_queries.multiply(end - whole, normal + (whole - begin) * hidden, projected, mine.product);
  for (std::size_t row = whole; row < end; ++row) {
    float* const from = projected + (row - whole) * pair;
    loops.add(from, from, w.project_bias.data(), pair);
    loops.silu(work->u.data() + row * width, from, width);
    loops.silu(work->q.data() + row * width, from + width, width);
  }
}

// Gated by U, then normalised.
void batch_forward::state::output(kvstrata::layer_index l, std::size_t begin, std::size_t end, member& mine)
{
  const layer_weights& w = parameters.layers[l];
  const std::size_t hidden = options.hidden;
  const std::size_t count = end - begin;
  float* const gated = mine.inputs.reserve(count * width);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = begin + i;
    float* const to = gated + i * width;
    loops.multiply(to, work->attended.data() + row * width, work->u.data() + row * width, width);
    normalise(w.gated, plan.domain_of(row), to, to, width);
  }
  float* const to = work->x.data() + begin * hidden;
  packed.layers[l].output.multiply(count, gated, to, mine.product);
  for (std::size_t i = 0; i < count; ++i) loops.add(to + i * hidden, to + i * hidden, w.output_bias.data(), hidden);
}

void batch_forward::state::score(std::size_t begin, std::size_t end, member& mine)
{
  const std::size_t hidden = options.hidden;
  const std::size_t inner = options.head_hidden;
  const std::size_t count = end - begin;
  float* const normal = mine.inputs.reserve(count * hidden);
  float* const towers = mine.results.reserve(count * tasks * inner);
  for (std::size_t i = 0; i < count; ++i) {
    loops.normalise(normal + i * hidden, work->x.data() + (begin + i) * hidden, options.epsilon, hidden);
  }
  packed.head_in.multiply(count, normal, towers, mine.product);
  for (std::size_t i = 0; i < count; ++i) {
    float* const row = towers + i * tasks * inner;
    loops.silu_bias(row, parameters.head_in_bias.data(), tasks * inner);
    for (std::size_t t = 0; t < tasks; ++t) {
      scores[(begin - plan.page_rows + i) * tasks + t] =
          loops.dot(row + t * inner, parameters.head_out.data() + t * inner, inner) + parameters.head_out_bias[t];
    }
  }
}

}  // namespace mtgr
