// Layers as trained models have them, on the CPU, against double precision: every option alone and all together, with
// history in the pages already, orders of the projection's columns, heads of other layers, last states.
#include "hstu/reference.hpp"
#include "hstu/trained.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <utility>

namespace {

using namespace hstu_test;

constexpr double close_enough = 2e-4;  // scores, states, K and V are of the order of 1

hstu::config some_config(generator& random)
{
  hstu::config c;
  c.layers = 1 + below(random, 3);
  c.hidden = 3 + below(random, 30);
  c.heads = 1 + below(random, 3);
  c.head_dim = 1 + below(random, 16);
  c.items = 300;
  c.tasks = 1 + below(random, 4);
  c.max_tokens = 200;
  c.normaliser = 20;
  c.position_buckets = below(random, 2) * 30;
  c.time_buckets = below(random, 2) * 40;
  c.seed = random();
  return c;
}

hstu::batch_forward whole_pass(const hstu::model& m, const std::vector<hstu::request>& batch, pages& memory,
                               hstu::fronts how = hstu::fronts::together)
{
  hstu::batch_forward pass(m, batch, memory.view(), how);
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  return pass;
}

void compare_states(const hstu::batch_forward& pass, std::size_t request, const reference_result& right,
                    std::size_t history, std::size_t hidden)
{
  const std::span<const float> states = pass.states(request);
  REQUIRE(states.size() == (right.states.size() - history) * hidden);
  double apart = 0;
  for (std::size_t t = history; t < right.states.size(); ++t) {
    apart = std::max(apart, furthest(states.subspan((t - history) * hidden, hidden), right.states[t]));
  }
  CHECK(apart < close_enough);
  if (!pass.last_state(request).empty()) {
    CHECK(furthest(pass.last_state(request), right.states[history - 1]) < close_enough);
  }
}

void compare_scores(const hstu::batch_forward& pass, std::size_t request, const reference_result& right,
                    std::size_t tasks)
{
  const std::span<const float> scores = pass.scores(request);
  REQUIRE(scores.size() == right.scores.size() * tasks);
  double apart = 0;
  for (std::size_t i = 0; i < right.scores.size(); ++i) {
    apart = std::max(apart, furthest(scores.subspan(i * tasks, tasks), right.scores[i]));
  }
  CHECK(apart < close_enough);
}

}  // namespace

TEST_CASE("trained layers equal a double-precision reference, with any part of the history in the pages", "[hstu]")
{
  generator random(101);
  for (int round = 0; round < 40; ++round) {
    hstu::config c = some_config(random);
    draw_options(random, c);
    const hstu::model m(c, trained_weights(random, c, 1 + below(random, 4)), 2);
    user u(random, below(random, 70), 1 + below(random, 5));
    hstu::request all = u.request();
    all.last_state = u.history != 0 && below(random, 2) == 0;
    const reference_result right = reference(m, all);
    pages memory(random, m.shape(), 1 + below(random, 20), {u.history});
    {
      const hstu::batch_forward pass = whole_pass(m, {all}, memory);
      compare_scores(pass, 0, right, c.tasks);
      compare_states(pass, 0, right, u.history, c.hidden);
    }
    double apart = 0;
    for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
      for (kvstrata::token_count t = 0; t < u.history; ++t) {
        apart = std::max(apart, furthest(memory.row(l, 0, t, false), right.keys[l][t]));
        apart = std::max(apart, furthest(memory.row(l, 0, t, true), right.values[l][t]));
      }
    }
    CHECK(apart < close_enough);
    // What is in the pages is not computed again, and the answer is the same; so for a last token that is there.
    u.compute = random_intervals(random, u.history);
    hstu::request some = u.request();
    some.last_state = all.last_state;
    const hstu::batch_forward pass =
        whole_pass(m, {some}, memory, below(random, 2) == 0 ? hstu::fronts::apart : hstu::fronts::together);
    compare_scores(pass, 0, right, c.tasks);
    compare_states(pass, 0, right, u.history, c.hidden);
  }
}

TEST_CASE("each tensor that a layer may have changes its answer, and absent it is what a neutral one gives", "[hstu]")
{
  generator random(102);
  hstu::config c = some_config(random);
  c.layers = 2;
  const user u(random, 24, 3);
  const auto scores = [&](const hstu::config& with, const hstu::weights& w) {
    return run_alone(random, hstu::model(with, w, 1), u);
  };
  const hstu::weights plain = hstu::random_weights(c);
  const std::vector<float> wanted = scores(c, plain);
  using tensor = std::vector<float> hstu::layer_weights::*;
  const std::pair<tensor, float> neutral[] = {
      {&hstu::layer_weights::project_bias, 0.0f},     {&hstu::layer_weights::input_norm_weight, 1.0f},
      {&hstu::layer_weights::input_norm_bias, 0.0f},  {&hstu::layer_weights::output_norm_weight, 1.0f},
      {&hstu::layer_weights::output_norm_bias, 0.0f}, {&hstu::layer_weights::output_bias, 0.0f}};
  const hstu::weights full = trained_weights(random, c);
  for (const auto& entry : neutral) {
    hstu::weights w = plain;
    for (std::size_t l = 0; l < c.layers; ++l) {
      (w.layers[l].*entry.first).assign((full.layers[l].*entry.first).size(), entry.second);
    }
    CHECK(furthest(scores(c, w), wanted) < 1e-5);
    for (std::size_t l = 0; l < c.layers; ++l) w.layers[l].*entry.first = full.layers[l].*entry.first;
    CHECK(furthest(scores(c, w), wanted) > 1e-3);
  }
  for (const auto change : {+[](hstu::config& x) { x.alpha = 0.5f; }, +[](hstu::config& x) { x.epsilon = 0.05f; },
                            +[](hstu::config& x) { x.silu = hstu::activated::gates_only; }}) {
    hstu::config other = c;
    change(other);
    CHECK(furthest(scores(other, plain), wanted) > 1e-3);
  }
}

TEST_CASE("the order of a projection's columns is a matter of the weights alone", "[hstu]")
{
  generator random(103);
  hstu::config c = some_config(random);
  c.heads = 3;
  c.head_dim = 5;
  const user u(random, 30, 4);
  const hstu::weights own = trained_weights(random, c);
  const std::vector<float> wanted = run_alone(random, hstu::model(c, own, 1), u);
  const std::size_t dim = c.head_dim;
  const std::size_t columns = 4 * width_of(c);
  const auto by_column = [&](auto&& from_of) {  // from_of(part U V Q K, head): the column in our order
    hstu::weights w = own;
    for (std::size_t l = 0; l < c.layers; ++l) {
      for (auto [to, from] : {std::pair(&w.layers[l].project, &own.layers[l].project),
                              std::pair(&w.layers[l].project_bias, &own.layers[l].project_bias)}) {
        for (std::size_t at = 0; at < to->size(); ++at)
          (*to)[at] = (*from)[at / columns * columns + from_of(at % columns)];
      }
    }
    return w;
  };
  constexpr std::size_t ours[] = {0, 3, 1, 2};  // of U, V, Q, K
  c.projection = hstu::projection_order::u_v_q_k;
  const hstu::weights grouped =
      by_column([&](std::size_t at) { return ours[at / (3 * dim)] * 3 * dim + at % (3 * dim); });
  const hstu::model m(c, grouped, 1);
  CHECK(run_alone(random, m, u) == wanted);
  CHECK(m.options().projection == hstu::projection_order::u_q_k_v);
  CHECK(m.parameters().layers[0].project == own.layers[0].project);
  CHECK(run_alone(random, hstu::model(m.options(), m.parameters(), 1), u) == wanted);

  c.projection = hstu::projection_order::u_v_q_k_by_head;
  const hstu::weights interleaved = by_column([&](std::size_t at) {
    const std::size_t head = at / (4 * dim);
    return ours[at / dim % 4] * 3 * dim + head * dim + at % dim;
  });
  CHECK(run_alone(random, hstu::model(c, interleaved, 1), u) == wanted);

  // Random weights have no order to be told of.
  const hstu::model drawn_so(c, 1);
  c.projection = hstu::projection_order::u_q_k_v;
  CHECK(drawn_so.parameters().layers[0].project == hstu::model(c, 1).parameters().layers[0].project);
}

TEST_CASE("a head of a caller's layers equals the reference; without a head there are states", "[hstu]")
{
  generator random(104);
  for (int round = 0; round < 20; ++round) {
    hstu::config c = some_config(random);
    draw_options(random, c);
    hstu::weights w = hstu::random_weights(c);
    w.head_in.clear();
    w.head_out.clear();
    w.head = random_head(random, c);
    const hstu::model m(c, w, 2);
    const user u(random, 10, 1 + below(random, 200));
    const reference_result right = reference(m, u.request());
    pages memory(random, m.shape(), 8, {u.history});
    const hstu::batch_forward pass = whole_pass(m, {u.request()}, memory);
    compare_scores(pass, 0, right, c.tasks);

    // Row by row it is the same.
    std::vector<float> row(pass.states(0).begin(), pass.states(0).begin() + c.hidden);
    for (const hstu::head_layer& layer : w.head) {
      std::vector<float> next(layer.outputs);
      hstu::apply(layer, c.epsilon, row, next);
      row = std::move(next);
    }
    CHECK(furthest(row, pass.scores(0).first(c.tasks)) < close_enough);

    c.tasks = 0;
    w.head.clear();
    const hstu::model headless(c, w, 2);
    const hstu::batch_forward bare = whole_pass(headless, {u.request()}, memory);
    CHECK(bare.scores().empty());
    compare_states(bare, 0, right, u.history, c.hidden);
  }
}

TEST_CASE("a batch gives each request its own states, before or behind its head", "[hstu]")
{
  generator random(105);
  hstu::config c = some_config(random);
  const hstu::model m(c, trained_weights(random, c), 2);
  const user a(random, 21, 2), b(random, 0, 3), d(random, 8, 0);
  std::vector<hstu::request> batch = {a.request(), b.request(), d.request()};
  batch[0].last_state = batch[2].last_state = true;
  pages memory(random, m.shape(), 4, {21, 0, 8});
  hstu::batch_forward pass(m, batch, memory.view());
  CHECK_THROWS_AS(pass.states(0), kvstrata::usage_error);
  pass.embed();
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) pass.layer(l);
  compare_states(pass, 0, reference(m, batch[0]), 21, c.hidden);
  compare_states(pass, 1, reference(m, batch[1]), 0, c.hidden);
  compare_states(pass, 2, reference(m, batch[2]), 8, c.hidden);
  CHECK(pass.last_state(1).empty());
  CHECK(pass.last_state(0).size() == c.hidden);
  pass.head();
  for (std::size_t r = 0; r < 3; ++r) compare_scores(pass, r, reference(m, batch[r]), c.tasks);
}

TEST_CASE("a caller's vectors may be any tokens: one at a time, with times of their own", "[hstu]")
{
  generator random(106);
  for (int round = 0; round < 20; ++round) {
    hstu::config c = some_config(random);
    draw_options(random, c);
    c.inputs = hstu::token_inputs::by_caller;
    c.event_tokens = 1 + below(random, 4);
    const hstu::model m(c, trained_weights(random, c), 2);
    vector_user a(random, c, 1 + below(random, 60), below(random, 5));
    vector_user b(random, c, below(random, 30), 2);
    const reference_result right_a = reference(m, a.request());
    const reference_result right_b = reference(m, b.request());
    pages memory(random, m.shape(), 1 + below(random, 9), {a.history, b.history});
    for (const bool again : {false, true}) {
      if (again) {  // some of it is in the pages; fronts by themselves
        a.computes(random_intervals(random, a.history));
        b.computes(b.history == 0 ? kvstrata::interval_list{} : random_intervals(random, b.history));
      }
      const hstu::batch_forward pass =
          whole_pass(m, {a.request(true), b.request()}, memory, again ? hstu::fronts::apart : hstu::fronts::together);
      compare_scores(pass, 0, right_a, c.tasks);
      compare_scores(pass, 1, right_b, c.tasks);
      compare_states(pass, 0, right_a, a.history, c.hidden);
      compare_states(pass, 1, right_b, b.history, c.hidden);
    }
  }
}

TEST_CASE("items are ranked by products with a last state", "[hstu]")
{
  const std::vector<float> table = {1, 0, 0, 2, 3, 3, -1, 0};  // four items of two
  const std::vector<float> state = {2, 1};
  using hstu::normalisation;
  CHECK(hstu::best_rows(state, table, 3, normalisation::none, normalisation::none, 1e-6f) ==
        std::vector<std::uint32_t>{2, 0, 1});
  std::vector<float> scores(2);
  const std::vector<std::uint32_t> rows = {1, 3};
  hstu::dot_scores(state, table, rows, scores, normalisation::l2, normalisation::l2, 1e-6f);
  CHECK(furthest(scores, std::vector<double>{1 / std::sqrt(5.0), -2 / std::sqrt(5.0)}) < 1e-6);
  hstu::dot_scores(state, table, rows, scores, normalisation::layer, normalisation::none, 1e-6f);
  CHECK(furthest(scores, std::vector<double>{-2, -1}) < 1e-4);
  const std::vector<std::uint32_t> behind = {4};
  CHECK_THROWS_AS(hstu::dot_scores(state, table, behind, scores, normalisation::none, normalisation::none, 1e-6f),
                  kvstrata::config_error);
  CHECK(hstu::best_rows(state, table, 9, normalisation::none, normalisation::none, 1e-6f).size() == 4);
}
