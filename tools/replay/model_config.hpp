// The model that a run's options ask for.
#pragma once

#include "hstu/config.hpp"
#include "hstu/precision.hpp"
#include "replay/options.hpp"
#include "replay/workload.hpp"

#include <algorithm>
#include <bit>

namespace replay {

/// With positions for the longest history.
[[nodiscard]] inline hstu::config model_config(const options& o, const workload& w)
{
  hstu::config c;
  c.layers = o.layers;
  c.hidden = o.hidden;
  c.heads = o.heads;
  c.head_dim = o.head_dim;
  c.items = std::clamp(w.items, 1u, 1u << 17);
  c.actions = 256;
  c.max_tokens = std::bit_ceil((std::max)(w.longest, kvstrata::token_count{1024}));
  if (!o.position_bias) c.position_buckets = 0;
  if (!o.time_bias) c.time_buckets = 0;
  c.seed = o.seed;
  return c;
}

/// What --precision names: one of its two words.
[[nodiscard]] inline hstu::precision precision_of(const options& o)
{
  return o.precision == "bf16" ? hstu::precision::bf16 : hstu::precision::f32;
}

}  // namespace replay
