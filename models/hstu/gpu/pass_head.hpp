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

template <runner Runner>
void pass<Runner>::state::score()
{
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
