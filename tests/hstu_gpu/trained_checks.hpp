// What a device does with layers as trained models have them: a test file of a few lines runs it on its own machine.
#pragma once

#include "hstu_gpu/model_checks.hpp"

#include "hstu/trained.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hstu_gpu_test {

// Against weights in float: bf16 rounds these too. Two layers deep it is what Meta's own code in bf16 is from itself.
inline constexpr double near_golden = 0.01;

inline hstu::config trained_config(std::uint32_t heads, std::uint32_t head_dim)
{
  hstu::config c = small_config();
  c.layers = 2;
  c.heads = heads;
  c.head_dim = head_dim;
  c.normaliser = 40;
  c.epsilon = 1e-5f;
  c.alpha = 1 / std::sqrt(static_cast<float>(head_dim));
  return c;
}

template <class Flat, class Rows>
void append(Flat& flat, const Rows& rows, std::size_t first, std::size_t last)
{
  for (std::size_t i = first; i < last; ++i) flat.insert(flat.end(), rows[i].begin(), rows[i].end());
}

/// What a head of layers makes of last states, in double precision, both sides of its products rounded to bf16.
inline std::vector<float> applied(const std::vector<hstu::head_layer>& head, const hstu::config& c,
                                  std::span<const float> states)
{
  std::vector<float> out;
  for (std::size_t at = 0; at < states.size(); at += c.hidden) {
    std::vector<float> row(states.begin() + static_cast<std::ptrdiff_t>(at),
                           states.begin() + static_cast<std::ptrdiff_t>(at + c.hidden));
    for (const hstu::head_layer& layer : head) {
      hstu::normalise(layer.norm, c.epsilon, row);
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (!layer.norm_weight.empty()) row[i] *= layer.norm_weight[i];
        if (!layer.norm_bias.empty()) row[i] += layer.norm_bias[i];
      }
      row = rounded(row);
      std::vector<float> next(layer.outputs);
      const hstu::head_layer rest{
          .after = layer.after, .outputs = layer.outputs, .linear = rounded(layer.linear), .bias = layer.bias};
      hstu::apply(rest, c.epsilon, row, next);
      row = next;
    }
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

/// Scores, last states of candidates and of the last token, and K and V of one request, in one pass and with half of the
/// history in the pages.
template <class Machine>
void check_trained(generator& random, const hstu::config& c, const hstu::weights& w, hstu::request r)
{
  using kvstrata::token_count;
  INFO("heads " << c.heads << " x " << c.head_dim << " history " << r.history << " alpha " << c.alpha << " gates only "
                << (c.silu == hstu::activated::gates_only) << " tasks " << c.tasks);
  const hstu_test::reference_result right = hstu_test::reference(c, w, r);
  model_bed<Machine> bed(c, w);
  r.last_state = r.history != 0;
  const std::span<const float> inputs = r.inputs;
  if (!inputs.empty()) r.last_input = inputs.last(c.hidden);
  const kvstrata::token_interval window[] = {{0, r.history}};
  pages_on<Machine> memory(random, bed.device(), bed.stream, bed.model.shape(), 16, window);
  const token_count half = r.history / 2;
  const std::vector<kvstrata::interval_list> passes = {{{0, r.history}}, {{half, r.history}}, {}};
  for (const kvstrata::interval_list& compute : passes) {
    r.compute = compute;
    if (!inputs.empty()) {
      const token_count tokens = compute.empty() ? 0 : compute.front().size();
      r.inputs = inputs.last(tokens * c.hidden);
    }
    const hstu::request batch[] = {r};
    const auto pass = bed.queue(batch, memory.view());
    std::vector<double> wanted;
    append(wanted, right.states, r.history, right.states.size());
    CHECK(relative_error(pass.states_sync(0), wanted) < near_golden);
    if (r.history != 0) CHECK(relative_error(pass.last_state_sync(0), right.states[r.history - 1]) < near_golden);
    wanted.clear();
    append(wanted, right.scores, 0, right.scores.size());
    if (w.head.empty()) {
      CHECK(relative_error(pass.scores_sync(0), wanted) < near_reference);
    } else {  // its layers may magnify what bf16 is off by: it is held to what comes of the device's own states
      CHECK(relative_error(pass.scores_sync(0), applied(w.head, c, pass.states_sync(0))) < near_reference);
    }
  }
  const std::vector<std::byte> written = memory.read();
  for (kvstrata::layer_index l = 0; l < c.layers && r.history != 0; ++l) {
    for (const bool value : {false, true}) {
      std::vector<float> found;
      std::vector<double> wanted;
      for (token_count t = 0; t < r.history; ++t) {
        const std::vector<float> row = memory.row(written, l, 0, t, value);
        found.insert(found.end(), row.begin(), row.end());
      }
      append(wanted, value ? right.values[l] : right.keys[l], 0, r.history);
      INFO("layer " << l << (value ? " V" : " K"));
      CHECK(relative_error(found, wanted) < near_golden);
    }
  }
}

/// Heads of any norms, activations and odd widths, with biases and without.
template <class Machine>
void check_trained_heads(generator& random)
{
  for (int round = 0; round < 12; ++round) {
    hstu::config c = trained_config(1, 64);
    c.layers = 1;
    c.tasks = 1 + below(random, 11);
    hstu::weights w = hstu_test::trained_weights(random, c, 2);
    w.head_in.clear();
    w.head_out.clear();
    w.head = hstu_test::random_head(random, c);
    std::string shape;
    for (const hstu::head_layer& l : w.head) {
      shape += " norm " + std::to_string(static_cast<int>(l.norm)) + " to " + std::to_string(l.outputs) + " after " +
               std::to_string(static_cast<int>(l.after));
    }
    INFO("head:" << shape);
    user u(random, 30 + below(random, 30), 1 + below(random, 9));
    check_trained<Machine>(random, c, w, u.request());
  }
}

/// Tokens that look from the time of the token behind them, the last from the request's.
template <class Machine>
void check_next_times(generator& random)
{
  for (const std::uint32_t tokens : {1u, 40u, 91u, 200u}) {
    hstu::config c = trained_config(2, 64);
    c.looks_from = hstu::query_time::next;
    user u(random, tokens, 4);
    u.now = u.times.back() + 40'000;  // another bucket than its own time would find
    const hstu::weights w = hstu_test::trained_weights(random, c, 1);
    check_trained<Machine>(random, c, w, u.request());
  }
}

/// All options, several shapes, tables and vectors of the caller's.
template <class Machine>
void check_trained_layers(generator& random)
{
  for (const auto& [heads, dim] : {std::pair(1u, 64u), std::pair(2u, 64u), std::pair(1u, 128u)}) {
    for (const bool gates_only : {false, true}) {
      hstu::config c = trained_config(heads, dim);
      if (gates_only) c.silu = hstu::activated::gates_only;
      user u(random, 50 + below(random, 60), 5);
      check_trained<Machine>(random, c, hstu_test::trained_weights(random, c), u.request());
    }
  }
  hstu::config c = trained_config(1, 64);
  c.projection = hstu::projection_order::u_v_q_k_by_head;
  c.position_buckets = c.time_buckets = 0;
  c.inputs = hstu::token_inputs::by_caller;
  c.event_tokens = 1;
  c.tasks = 0;
  const hstu::weights w = hstu_test::trained_weights(random, c, 2);
  hstu::weights own = w;
  for (hstu::layer_weights& l : own.layers) hstu::arrange_projection(c, l);
  hstu_test::vector_user u(random, c, 77, 4);
  const hstu::request r = u.request();
  hstu::config told = c;
  told.projection = hstu::projection_order::u_q_k_v;
  check_trained<Machine>(random, told, own, r);
  model_bed<Machine> one(c, w);
  model_bed<Machine> other(told, own);
  const hstu::request batch[] = {r};
  const auto of_one = hstu::gpu::recompute(one.lane, batch, one.scratch);
  const auto of_other = hstu::gpu::recompute(other.lane, batch, other.scratch);
  const auto a = of_one.states_sync(0);
  const auto b = of_other.states_sync(0);
  CHECK(std::vector<float>(a.begin(), a.end()) == std::vector<float>(b.begin(), b.end()));
}

}  // namespace hstu_gpu_test
