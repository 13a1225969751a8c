// Weights as trained models have them: with some or all of the tensors that random weights lack. And users whose tokens'
// vectors the caller brings.
#pragma once

#include "hstu/fixture.hpp"

#include "hstu/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu_test {

inline std::vector<float> drawn(generator& random, std::size_t count, float around, float reach)
{
  std::vector<float> out(count);
  for (float& v : out) v = around + reach * (static_cast<float>(below(random, 2001)) / 1000 - 1);
  return out;
}

/// Every optional tensor is there with a chance of `share` in 4.
inline hstu::weights trained_weights(generator& random, const hstu::config& c, std::uint32_t share = 4)
{
  hstu::weights w = hstu::random_weights(c);
  const std::size_t width = width_of(c);
  const auto maybe = [&](std::vector<float>& to, std::size_t count, float around, float reach) {
    if (below(random, 4) < share) to = drawn(random, count, around, reach);
  };
  for (hstu::layer_weights& l : w.layers) {
    maybe(l.project_bias, 4 * width, 0, 0.5f);
    maybe(l.input_norm_weight, c.hidden, 1, 0.5f);
    maybe(l.input_norm_bias, c.hidden, 0, 0.3f);
    maybe(l.output_norm_weight, width, 1, 0.5f);
    maybe(l.output_norm_bias, width, 0, 0.3f);
    maybe(l.output_bias, c.hidden, 0, 0.2f);
  }
  return w;
}

/// What a layer may differ in.
inline void draw_options(generator& random, hstu::config& c)
{
  c.alpha = below(random, 3) == 0 ? 1.0f : 0.25f + static_cast<float>(below(random, 100)) / 100;
  c.epsilon = below(random, 2) == 0 ? 1e-5f : 0.01f;
  c.looks_from = below(random, 3) == 0 ? hstu::query_time::next : hstu::query_time::own;
  c.silu = below(random, 2) == 0 ? hstu::activated::all : hstu::activated::gates_only;
}

/// A head of any layers from the hidden width to the tasks.
inline std::vector<hstu::head_layer> random_head(generator& random, const hstu::config& c)
{
  std::vector<hstu::head_layer> out;
  std::size_t inputs = c.hidden;
  for (std::uint32_t left = 1 + below(random, 4); left > 0; --left) {
    hstu::head_layer layer;
    layer.norm = static_cast<hstu::normalisation>(below(random, 3));
    layer.after = static_cast<hstu::activation>(below(random, 5));
    layer.outputs = left == 1 ? c.tasks : 1 + below(random, 50);
    layer.linear = drawn(random, inputs * layer.outputs, 0, 0.4f);
    if (below(random, 2) == 0) layer.bias = drawn(random, layer.outputs, 0, 0.5f);
    if (layer.norm == hstu::normalisation::layer && below(random, 2) == 0) {
      layer.norm_weight = drawn(random, inputs, 1, 0.5f);
      layer.norm_bias = drawn(random, inputs, 0, 0.5f);
    }
    inputs = layer.outputs;
    out.push_back(std::move(layer));
  }
  return out;
}

/// A user's tokens as vectors, for models of token_inputs::by_caller.
struct vector_user
{
  std::vector<float> inputs;      // [history][hidden]
  std::vector<float> candidates;  // [candidates][hidden]
  std::vector<std::int64_t> times;
  std::int64_t now = 0;
  kvstrata::token_count history = 0;
  std::size_t hidden = 0;
  kvstrata::interval_list compute{};
  std::vector<float> computed{};  // inputs of the tokens in `compute`

  vector_user(generator& random, const hstu::config& c, kvstrata::token_count tokens, std::uint32_t candidate_count)
      : inputs(drawn(random, std::size_t{tokens} * c.hidden, 0, 1.5f)),
        candidates(drawn(random, std::size_t{candidate_count} * c.hidden, 0, 1.5f)),
        history(tokens),
        hidden(c.hidden)
  {
    std::int64_t time = 1'650'000'000;
    for (kvstrata::token_count t = 0; t < tokens; t += c.event_tokens) {
      time += below(random, 3) == 0 ? below(random, 200'000) : below(random, 40);
      times.push_back(time);
    }
    now = time + below(random, 5'000);
    computes({{0, tokens}});
  }

  void computes(const kvstrata::interval_list& pieces)
  {
    compute = pieces;
    computed.clear();
    for (const kvstrata::token_interval piece : pieces) {
      computed.insert(computed.end(), inputs.begin() + static_cast<std::ptrdiff_t>(piece.begin * hidden),
                      inputs.begin() + static_cast<std::ptrdiff_t>(piece.end * hidden));
    }
  }

  [[nodiscard]] hstu::request request(bool last_state = false) const
  {
    hstu::request r;
    r.times = times;
    r.history = history;
    r.compute = compute;
    r.time = now;
    r.inputs = computed;
    r.candidate_inputs = candidates;
    r.last_state = last_state;
    if (last_state) r.last_input = std::span(inputs).last(hidden);
    return r;
  }
};

}  // namespace hstu_test
