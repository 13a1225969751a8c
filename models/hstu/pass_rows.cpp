// What the steps of a pass do with a block of rows: embed, project, output, score.
#include "hstu/pass_state.hpp"

#include <algorithm>

namespace hstu {
namespace {

// row = row * weight + bias; an empty one does nothing.
void scale_and_shift(const elementwise& loops, float* row, const std::vector<float>& weight,
                     const std::vector<float>& bias)
{
  if (!weight.empty()) loops.multiply(row, row, weight.data(), weight.size());
  if (!bias.empty()) loops.add(row, row, bias.data(), bias.size());
}

}  // namespace

// A row's token in its table.
const float* batch_forward::state::token_of(std::size_t row) const
{
  const row_plan& plan = work->plan;
  const std::uint32_t position = plan.positions[row];
  const std::size_t number = plan.requests[row];
  const request& r = requests[number];
  const auto item = [&](std::uint64_t id) { return parameters.items.data() + item_row(options, id) * options.hidden; };
  if (plan.is_candidate(row)) return item(r.candidates[row - plan.candidate_row(number)]);
  const std::size_t event = position / 2 - first_event_of(options, r);
  if (position % 2 == 0) return item(r.items[event]);
  return parameters.actions.data() + action_row(options, r.actions[event]) * options.hidden;
}

void batch_forward::state::embed_rows(std::size_t begin, std::size_t end)
{
  const std::size_t hidden = options.hidden;
  for (std::size_t row = begin; row < end; ++row) {
    float* const to = work->x.data() + row * hidden;
    if (options.inputs == token_inputs::by_caller) {
      std::copy_n(input_of(options, work->plan, requests, row), hidden, to);
    } else {
      const std::size_t place = position_row(options, work->plan.positions[row]);
      loops.add(to, token_of(row), parameters.positions.data() + place * hidden, hidden);
    }
  }
}

// The layer's input, normalised as the layer asks for.
void batch_forward::state::normalise_rows(float* to, const layer_weights& w, std::size_t begin, std::size_t end) const
{
  const std::size_t hidden = options.hidden;
  for (std::size_t row = begin; row < end; ++row, to += hidden) {
    loops.normalise(to, work->x.data() + row * hidden, options.epsilon, hidden);
    scale_and_shift(loops, to, w.input_norm_weight, w.input_norm_bias);
  }
}

// K and V into the pages or, of candidates, into the workspace; U, Q of the rows from first_whole on into the workspace.
void batch_forward::state::project(kvstrata::layer_index layer, std::size_t begin, std::size_t end,
                                   std::size_t first_whole, workspace::member& mine)
{
  const layer_weights& w = parameters.layers[layer];
  const std::size_t hidden = options.hidden;
  const std::size_t count = end - begin;
  const std::size_t pair = 2 * width;
  float* normal = mine.block.reserve(most_block_rows() * (std::max)(hidden, width));
  float* const projected = mine.projected.reserve(most_block_rows() * pair);  // K, V; then U, Q
  normalise_rows(normal, w, begin, end);
  const auto activate = [&](float* to, const float* from) {
    if (options.silu == activated::all) loops.silu(to, from, width);
    else std::copy_n(from, width, to);
  };
  packed.layers[layer].keys_and_values.multiply(count, normal, projected, mine.product);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = begin + i;
    float* const from = projected + i * pair;
    if (!w.project_bias.empty()) loops.add(from, from, w.project_bias.data() + pair, pair);
    float* key = nullptr;
    float* value = nullptr;
    if (row < work->plan.history_rows) {
      std::byte* slot = view.key(layer, work->plan.requests[row], work->plan.positions[row]);
      key = reinterpret_cast<float*>(slot);
      value = reinterpret_cast<float*>(slot + view.value_offset());
    } else {
      key = work->candidate_keys.data() + (row - work->plan.history_rows) * width;
      value = work->candidate_values.data() + (row - work->plan.history_rows) * width;
    }
    activate(key, from);
    activate(value, from + width);
  }
  const std::size_t whole = (std::max)(begin, first_whole);
  if (whole >= end) return;
  packed.layers[layer].gates_and_queries.multiply(end - whole, normal + (whole - begin) * hidden, projected,
                                                  mine.product);
  for (std::size_t row = whole; row < end; ++row) {
    float* const from = projected + (row - whole) * pair;
    if (!w.project_bias.empty()) loops.add(from, from, w.project_bias.data(), pair);
    loops.silu(work->u.data() + row * width, from, width);
    activate(work->q.data() + row * width, from + width);
  }
}

void batch_forward::state::output(kvstrata::layer_index layer, std::size_t begin, std::size_t end,
                                  workspace::member& mine)
{
  const layer_weights& w = parameters.layers[layer];
  const std::size_t hidden = options.hidden;
  const bool plain = w.output_norm_weight.empty() && w.output_norm_bias.empty();
  float* gated = mine.block.reserve(most_block_rows() * (std::max)(hidden, width));
  for (std::size_t row = begin; row < end; ++row) {
    float* const to = gated + (row - begin) * width;
    const float* const from = work->attended.data() + row * width;
    const float* const gate = work->u.data() + row * width;
    if (plain) {
      loops.normalise_gated(to, from, gate, options.epsilon, width);
    } else {
      loops.normalise(to, from, options.epsilon, width);
      scale_and_shift(loops, to, w.output_norm_weight, w.output_norm_bias);
      loops.multiply(to, to, gate, width);
    }
  }
  float* const x = work->x.data() + begin * hidden;
  packed.layers[layer].output.multiply(end - begin, gated, x, mine.product);
  if (w.output_bias.empty()) return;
  for (std::size_t row = 0; row < end - begin; ++row) {
    loops.add(x + row * hidden, x + row * hidden, w.output_bias.data(), hidden);
  }
}

void batch_forward::state::score(std::size_t begin, std::size_t end, workspace::member& mine)
{
  if (!parameters.head.empty()) return score_by_list(begin, end, mine);
  const std::size_t hidden = options.hidden;
  float* normal = mine.block.reserve(most_block_rows() * (std::max)(hidden, width));
  float* inner = mine.projected.reserve(most_block_rows() * (std::max)(hidden, 4 * width));
  for (std::size_t row = begin; row < end; ++row) {
    loops.normalise(normal + (row - begin) * hidden, work->x.data() + row * hidden, options.epsilon, hidden);
  }
  packed.head_in.multiply(end - begin, normal, inner, mine.product);
  loops.silu(inner, inner, (end - begin) * hidden);
  packed.head_out.multiply(end - begin, inner, work->scores.data() + (begin - work->plan.history_rows) * options.tasks,
                           mine.product);
}

// The caller's head, layer after layer.
void batch_forward::state::score_by_list(std::size_t begin, std::size_t end, workspace::member& mine)
{
  const std::size_t count = end - begin;
  const float* from = work->x.data() + begin * options.hidden;
  std::size_t columns = options.hidden;
  std::size_t widest = options.hidden;
  for (const head_layer& layer : parameters.head) widest = (std::max)(widest, std::size_t{layer.outputs});
  float* const normal = mine.block.reserve(most_block_rows() * (std::max)(widest, width));
  float* const projected = mine.projected.reserve(most_block_rows() * (std::max)(widest, 4 * width));
  for (std::size_t number = 0; number < parameters.head.size(); ++number) {
    const head_layer& layer = parameters.head[number];
    for (std::size_t i = 0; i < count; ++i) {
      float* const row = normal + i * columns;
      std::copy_n(from + i * columns, columns, row);
      normalise(layer.norm, options.epsilon, {row, columns});
      if (layer.norm == normalisation::layer) scale_and_shift(loops, row, layer.norm_weight, layer.norm_bias);
    }
    packed.head[number].multiply(count, normal, projected, mine.product);
    columns = layer.outputs;
    for (std::size_t i = 0; i < count && !layer.bias.empty(); ++i) {
      loops.add(projected + i * columns, projected + i * columns, layer.bias.data(), columns);
    }
    activate(layer.after, {projected, count * columns});
    from = projected;
  }
  std::copy_n(from, count * columns, work->scores.data() + (begin - work->plan.history_rows) * columns);
}

}  // namespace hstu
