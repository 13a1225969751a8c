#include "hstu/blocks/context_forward.hpp"

#include "hstu/bias.hpp"
#include "hstu/elementwise.hpp"
#include "hstu/matmul.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace hstu {

context_forward::context_forward(const model& m) : model_(&m)
{
  const config& c = m.options();
  if (c.inputs != token_inputs::by_caller) {
    throw kvstrata::config_error("hstu.inputs", "tables",
                                 "blocks stand at any place, so inputs must come without positions");
  }
}

void context_forward::begin(const context_to_compute& what, kvstrata::paged_context& context, bool reads)
{
  check(what.shares);
  const config& c = model_->options();
  if (reads && c.layers < 2) {
    throw kvstrata::usage_error("the selector reads layer 1, but the model has 1 layer");
  }
  context.compute({});
  if (what.inputs.size() != std::size_t{context.view().tokens(0)} * c.hidden) {
    throw kvstrata::history_error("a context of " + std::to_string(context.view().tokens(0)) + " tokens has " +
                                  std::to_string(what.inputs.size()) + " numbers as inputs, but a token has " +
                                  std::to_string(c.hidden));
  }
  const std::size_t events = (std::size_t{context.view().tokens(0)} + c.event_tokens - 1) / c.event_tokens;
  if (c.time_buckets != 0 && what.times.size() != events) {
    throw kvstrata::history_error("a context of " + std::to_string(events) + " events has " +
                                  std::to_string(what.times.size()) + " times, and the model's biases go by time");
  }
  work_ = {};
  report_ = {};
  attention_.clear();
  key_changes_.clear();
  value_changes_.clear();
}

kvstrata::page_table_view context_forward::probe_view() const noexcept
{
  const kvstrata::geometry shape = first_layers_->shape();
  return probe_table_.view(reinterpret_cast<std::byte*>(probe_kv_.data()),
                           {.layer_stride = probe_tokens_ * shape.token_layer_bytes(), .page_stride = 0}, shape,
                           probe_tokens_);
}

// Layer 0 in full, and K and V of layer 1: the last of a model of two layers computes no more.
void context_forward::probe(const context_to_compute& what)
{
  if (first_layers_ == nullptr) {
    config c = model_->options();
    weights w = model_->parameters();
    c.layers = 2;
    c.tasks = 0;
    c.projection = projection_order::u_q_k_v;
    w.layers.resize(2);
    w.head_in.clear();
    w.head_out.clear();
    w.head.clear();
    first_layers_ = std::make_unique<model>(c, std::move(w), std::size_t{0}, model_->computes_in());
  }
  const kvstrata::token_count tokens = tokens_of(what);
  probe_tokens_ = tokens;
  probe_kv_.reserve(2 * tokens * first_layers_->shape().token_layer_bytes() / sizeof(float));
  probe_table_.start(1);
  probe_table_.append(0, 1);
  probe_table_.finish_request(0, tokens, tokens);
  const kvstrata::token_interval all[] = {{0, tokens}};
  request r;
  r.history = tokens;
  r.compute = all;
  r.inputs = what.inputs;
  r.times = what.times;
  r.time = what.time;
  batch_forward pass(*first_layers_, {&r, 1}, probe_view());
  pass.embed();
  pass.layer(0);
  pass.layer(1);
  work_.whole_rows += tokens;
  work_.projected_rows += tokens;
}

// Weights may be negative, so their absolute values are summed.
void context_forward::read_attention(const context_to_compute& what)
{
  const config& c = model_->options();
  const layer_weights& w = model_->parameters().layers.front();
  const elementwise& loops = best_elementwise();
  const std::size_t tokens = tokens_of(what), width = width_of(c);
  std::vector<float> normal(tokens * c.hidden), queries(tokens * width), row(tokens), biases(tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    float* const to = normal.data() + t * c.hidden;
    loops.normalise(to, what.inputs.data() + t * c.hidden, c.epsilon, c.hidden);
    if (!w.input_norm_weight.empty()) loops.multiply(to, to, w.input_norm_weight.data(), c.hidden);
    if (!w.input_norm_bias.empty()) loops.add(to, to, w.input_norm_bias.data(), c.hidden);
  }
  multiply(tokens, width, c.hidden, {normal.data(), c.hidden}, {w.project.data() + width, 4 * width},
           {queries.data(), width});
  for (std::size_t t = 0; t < tokens; ++t) {
    float* const to = queries.data() + t * width;
    if (!w.project_bias.empty()) loops.add(to, to, w.project_bias.data() + width, width);
    if (c.silu == activated::all) loops.silu(to, to, width);
  }
  const kvstrata::page_table_view view = probe_view();
  attention_.assign(tokens, 0.0F);
  std::vector<std::uint32_t> begins(c.time_buckets);
  request r;  // for the times
  r.history = tokens_of(what);
  r.times = what.times;
  r.time = what.time;
  for (std::size_t head = 0; head < c.heads; ++head) {
    const head_bias bias(std::span(w.position_bias).subspan(head * c.position_buckets, c.position_buckets),
                         std::span(w.time_bias).subspan(head * c.time_buckets, c.time_buckets));
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto position = static_cast<std::uint32_t>(t);
      if (c.time_buckets != 0) time_bucket_begins(begins, what.times, query_time_of(c, r, position), 0, c.event_tokens);
      bucket_cursor at = c.time_buckets == 0 ? 0 : c.time_buckets - 1;
      float constant = 0;
      if (!bias.empty() && bias.fill(biases.data(), constant, position, 0, position + 1, begins.data(), at, loops))
        std::fill_n(biases.begin(), t + 1, constant);
      for (std::size_t k = 0; k <= t; ++k) {
        const auto* const key = reinterpret_cast<const float*>(view.key(0, 0, static_cast<kvstrata::token_count>(k)));
        row[k] =
            c.alpha * loops.dot(queries.data() + t * width + head * c.head_dim, key + head * c.head_dim, c.head_dim);
        row[k] += biases[k];
      }
      loops.silu(row.data(), row.data(), t + 1);
      for (std::size_t k = 0; k <= t; ++k) attention_[k] += std::abs(row[k]);
    }
  }
}

void context_forward::read_changes(const context_to_compute& what, const kvstrata::paged_context& context)
{
  const std::size_t width = width_of(model_->options());
  const kvstrata::page_table_view mine = probe_view(), theirs = context.view();
  key_changes_.assign(tokens_of(what), {});
  value_changes_.assign(tokens_of(what), {});
  const auto change = [width](const std::byte* a, const std::byte* b) {
    const auto* const x = reinterpret_cast<const float*>(a);
    const auto* const y = reinterpret_cast<const float*>(b);
    kvstrata::token_change out;
    for (std::size_t i = 0; i < width; ++i) {
      out.squared += (x[i] - y[i]) * (x[i] - y[i]);
      out.absolute += std::abs(x[i] - y[i]);
    }
    return out;
  };
  kvstrata::each_reused(what.blocks, [&](kvstrata::token_count p, kvstrata::token_count, const auto&) {
    const std::byte* const a = mine.key(1, 0, p);
    const std::byte* const b = theirs.key(1, 0, p);
    key_changes_[p] = change(a, b);
    value_changes_[p] = change(a + mine.value_offset(), b + theirs.value_offset());
  });
}

void context_forward::start(const context_to_compute& what, kvstrata::paged_context& context,
                            std::span<const kvstrata::token_interval> anew)
{
  const std::size_t hidden = model_->options().hidden;
  report_ = kvstrata::report_of(what.blocks, anew, tokens_of(what));
  if (what.exact) kvstrata::require_exact(report_);
  context.compute(anew);
  inputs_.clear();
  for (const kvstrata::token_interval i : context.computed()) {
    inputs_.insert(inputs_.end(), what.inputs.begin() + static_cast<std::ptrdiff_t>(i.begin * hidden),
                   what.inputs.begin() + static_cast<std::ptrdiff_t>(i.end * hidden));
  }
  const std::uint64_t rows = inputs_.size() / hidden;
  work_.whole_rows += rows * (model_->options().layers - 1);
  work_.projected_rows += rows;
  request_.history = tokens_of(what);
  request_.compute = context.computed();
  request_.inputs = inputs_;
  request_.candidate_inputs = what.candidate_inputs;
  request_.times = what.times;
  request_.time = what.time;
  request_.last_state = what.last_state;
  request_.last_input = what.last_state ? what.inputs.last(hidden) : std::span<const float>{};
  pass_.reset();
  pass_.emplace(*model_, std::span<const request>(&request_, 1), context.view());
  pass_->embed();
}

}  // namespace hstu
