// The model that a run's options ask for, and what its batches cost.
#pragma once

#include "gpu_replay/options.hpp"
#include "hstu/flops.hpp"
#include "replay/model_config.hpp"
#include "replay/workload.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace gpu_replay {

/// The model of a run; its positions reach the longest history that is served or stepped with.
[[nodiscard]] inline hstu::config model_of(const options& o, const replay::workload& w)
{
  hstu::config c = replay::model_config(o.serve, w);
  for (const std::uint32_t tokens : o.step_tokens) {
    c.max_tokens = (std::max)(c.max_tokens, std::bit_ceil(tokens + o.step_new));
  }
  return c;
}

/// Operations of a batch that is computed from nothing.
[[nodiscard]] inline double flops_alone(const hstu::config& c, const replay::served_batch& b)
{
  double sum = 0;
  for (const replay::served_request& r : b.requests) {
    const kvstrata::token_interval whole{0, r.tokens};
    sum += hstu::flops(
        c, {r.tokens, std::span(&whole, r.tokens == 0 ? 0 : 1), static_cast<std::uint32_t>(r.candidates.size())});
  }
  return sum;
}

}  // namespace gpu_replay
