// The last steps of pass.hpp, which includes this: scores out of last states, and what goes down to the host.
#pragma once

#include "hstu/gpu/pass.hpp"

namespace hstu::gpu {

template <runner Runner>
void pass<Runner>::state::head()
{
  if (step != steps::layers || next_layer != options.layers) {
    throw kvstrata::usage_error("head() was called, but " + (step == steps::planned ? std::string("embed() comes first")
                                                             : step == steps::finished
                                                                 ? std::string("the pass is finished")
                                                                 : "layer " + std::to_string(next_layer) + " is next"));
  }
  if (score_bytes() != 0) score();
  if (state_bytes() != 0) {
    on.queue_small(kvstrata::copy_direction::from_device, use->host.data() + arrays.bytes + score_bytes(),
                   reinterpret_cast<const std::byte*>(work.residual + plan().history_rows * options.hidden),
                   state_bytes());
  }
  use->last = on.leave();
  entered = false;
  step = steps::finished;
}

// Layer after layer; the last kernel writes the scores.
template <runner Runner>
void pass<Runner>::state::score_by_list()
{
  head_row_kernel k;
  detail::give_rows(k, 0, candidates());
  k.from = {work.residual + plan().history_rows * options.hidden, options.hidden};
  k.width = options.hidden;
  k.epsilon = options.epsilon;
  for (const device_head_layer& l : on.parameters().parameters().head) {
    k.norm = l.norm;
    k.weight = l.norm_weight;
    k.shift = l.norm_bias;
    k.to = {work.inner, l.padded_inputs};
    k.padded = static_cast<std::uint32_t>(l.padded_inputs);
    on.machine().launch(on.stream(), "head's rows", k);
    const std::size_t bytes = candidates() * l.padded_outputs * sizeof(float);
    on.machine().zero(on.stream(), reinterpret_cast<std::byte*>(work.layered), bytes);
    product p;
    p.rows = candidates();
    p.columns = l.padded_outputs;
    p.inner = l.padded_inputs;
    p.a = {work.inner, l.padded_inputs};
    p.b = {l.linear, l.padded_outputs};
    p.sums = {work.layered, l.padded_outputs};
    on.machine().multiply(on.stream(), "head", p);
    k.from = {work.layered, l.padded_outputs};
    k.width = l.outputs;
    k.bias = l.bias;
    k.after = l.after;
  }
  k.norm = normalisation::none;
  k.weight = k.shift = nullptr;
  k.to = {};
  k.scores = {reinterpret_cast<float*>(use->device.data() + arrays.bytes), options.tasks};
  on.machine().launch(on.stream(), "score", k);
  on.queue_small(kvstrata::copy_direction::from_device, use->host.data() + arrays.bytes,
                 use->device.data() + arrays.bytes, score_bytes());
}

template <runner Runner>
void pass<Runner>::state::score()
{
  if (!on.parameters().parameters().head.empty()) return score_by_list();
  const std::size_t first = plan().history_rows;
  const auto& weights = on.parameters().parameters();
  normalise(first, first + candidates());
  multiply("head", options.hidden, options.hidden, 0, candidates(),
           {work.normal + first * options.hidden, options.hidden}, {weights.head_in, options.hidden},
           {work.inner, options.hidden});
  score_kernel k;
  detail::give_rows(k, 0, candidates());
  k.inner = {work.inner, options.hidden};
  k.by_task = weights.head_by_task;
  k.scores = reinterpret_cast<float*>(use->device.data() + arrays.bytes);
  k.hidden = options.hidden;
  k.tasks = options.tasks;
  on.machine().launch(on.stream(), "score", k);
  on.queue_small(kvstrata::copy_direction::from_device, use->host.data() + arrays.bytes,
                 use->device.data() + arrays.bytes, score_bytes());
}

}  // namespace hstu::gpu
