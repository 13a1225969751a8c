// What the steps of a pass do with a block of rows: make tokens, project, output, score.
#include "hstu/matmul.hpp"
#include "mtgr/pass_state.hpp"

#include <algorithm>

namespace mtgr {

// Of one domain.
void batch_forward::state::make_tokens(domain d, std::size_t begin, std::size_t end, member& mine)
{
  const token_weights& w = parameters.tokens[static_cast<std::size_t>(d)];
  const std::size_t count = end - begin;
  const std::size_t features = mtgr::features_of(options, d);
  const std::size_t inner = options.token_hidden;
  const std::size_t hidden = options.hidden;
  float* const from = mine.inputs.reserve(count * features);
  float* const between = mine.results.reserve(count * inner);
  for (std::size_t i = 0; i < count; ++i) {
    std::copy_n(mtgr::features_of(options, plan, requests, begin + i), features, from + i * features);
  }
  hstu::multiply(count, inner, features, {from, features}, {w.in.data(), inner}, {between, inner});
  for (std::size_t i = 0; i < count; ++i) {
    float* const row = between + i * inner;
    loops.add(row, row, w.in_bias.data() + (d == domain::user ? plan.tokens[begin + i] * inner : 0), inner);
    loops.silu(row, row, inner);
  }
  float* const to = work->x.data() + begin * hidden;
  hstu::multiply(count, hidden, inner, {between, inner}, {w.out.data(), hidden}, {to, hidden});
  for (std::size_t i = 0; i < count; ++i) loops.add(to + i * hidden, to + i * hidden, w.out_bias.data(), hidden);
}

// U, Q into the workspace, K and V into the pages of their part or, of candidates, into the workspace.
void batch_forward::state::project(kvstrata::layer_index l, std::size_t begin, std::size_t end, bool keys_only,
                                   member& mine)
{
  const layer_weights& w = parameters.layers[l];
  const std::size_t hidden = options.hidden;
  const std::size_t count = end - begin;
  const std::size_t skip = keys_only ? 2 * width : 0;
  const std::size_t columns = 4 * width - skip;
  float* const normal = mine.inputs.reserve(count * hidden);
  float* const projected = mine.results.reserve(count * columns);
  for (std::size_t i = 0; i < count; ++i) {
    normalise(w.input, plan.domain_of(begin + i), normal + i * hidden, work->x.data() + (begin + i) * hidden, hidden);
  }
  hstu::multiply(count, columns, hidden, {normal, hidden}, {w.project.data() + skip, 4 * width}, {projected, columns});
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = begin + i;
    float* from = projected + i * columns;
    loops.add(from, from, w.project_bias.data() + skip, columns);
    if (!keys_only) {
      loops.silu(work->u.data() + row * width, from, width);
      loops.silu(work->q.data() + row * width, from + width, width);
      from += 2 * width;
    }
    if (row < plan.page_rows) {
      const kvstrata::page_table_view& view = plan.is_static(row) ? views.statics : views.recents;
      std::byte* const slot = view.key(l, plan.requests[row], plan.tokens[row]);
      loops.silu(reinterpret_cast<float*>(slot), from, width);
      loops.silu(reinterpret_cast<float*>(slot + view.value_offset()), from + width, width);
    } else {
      const std::size_t at = (row - plan.page_rows) * width;
      loops.silu(work->own_keys.data() + at, from, width);
      loops.silu(work->own_values.data() + at, from + width, width);
    }
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
  hstu::multiply(count, hidden, width, {gated, width}, {w.output.data(), hidden}, {to, hidden}, hstu::store::add);
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
  hstu::multiply(count, tasks * inner, hidden, {normal, hidden}, {parameters.head_in.data(), tasks * inner},
                 {towers, tasks * inner});
  for (std::size_t i = 0; i < count; ++i) {
    float* const row = towers + i * tasks * inner;
    loops.add(row, row, parameters.head_in_bias.data(), tasks * inner);
    loops.silu(row, row, tasks * inner);
    for (std::size_t t = 0; t < tasks; ++t) {
      scores[(begin - plan.page_rows + i) * tasks + t] =
          loops.dot(row + t * inner, parameters.head_out.data() + t * inner, inner) + parameters.head_out_bias[t];
    }
  }
}

}  // namespace mtgr
