// HSTU, the reference model (Zhai et al.: Actions Speak Louder than Words, ICML 2024), on the CPU, on a paged KV cache.
//
// A user's history of n events is 2n tokens, item and action in turn. A request may attend to its newest tokens only, the
// window [first_token, history): positions and distances count from the beginning of the history all the same, and
// positions behind the model's table share its last row. A layer normalises its input, projects it to
// U, V, Q, K with SiLU, attends with SiLU(QK^T + bias) V / N, normalises, gates by U, projects and adds to its input.
// Candidates see the whole history and themselves, never each other, and are never cached. A small head turns each
// candidate's last state into `tasks` scores. The last layer's output is needed of candidates only, so of history
// tokens that layer computes K and V and nothing else.
//
// That is the model as its random weights have it. Trained ones differ in what config.hpp and weights.hpp name: alpha, an
// epsilon, biases, weights of the norms, what is activated, a head of other layers or none. Where a model takes the
// caller's vectors (token_inputs::by_caller), its tokens may be anything in any order.
//
// Read on: config.hpp, weights.hpp, batch_forward below, attention.hpp; recompute.hpp for a forward pass without a cache
// and flops.hpp for what a pass costs.
#pragma once

#include "hstu/config.hpp"
#include "hstu/crew.hpp"
#include "hstu/precision.hpp"
#include "hstu/weights.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace hstu {

struct packed_weights;
struct workspace;
class workspace_pool;

/// Weights, the crew that computes with them, and scratch memory for passes. Immutable to its users: any number of
/// threads may run passes on one model. Must outlive its passes. The layers' and the head's matrices are kept twice: as
/// given, and as products read them, in bf16 half as large.
class model
{
 public:
  /// Checks the config (throws kvstrata::config_error) and draws the weights. `threads` 0 stands for one per core. Products
  /// are computed `in` f32, or in bf16 where is_fast() says so; kvstrata::config_error elsewhere.
  explicit model(const config& c, std::size_t threads = 0, precision in = precision::f32);
  /// The same with weights of this config, their projections in the order that it names. Throws kvstrata::config_error also
  /// for a tensor of another size, with its name.
  model(const config& c, weights w, std::size_t threads = 0, precision in = precision::f32);
  ~model();
  model(const model&) = delete;
  model& operator=(const model&) = delete;

  /// As given, but for projection, which is that of parameters(): u_q_k_v.
  [[nodiscard]] const config& options() const noexcept { return config_; }
  [[nodiscard]] const weights& parameters() const noexcept { return weights_; }
  [[nodiscard]] precision computes_in() const noexcept { return precision_; }
  /// Keys and values are f32 in either precision.
  [[nodiscard]] kvstrata::geometry shape() const noexcept { return geometry_of(config_); }

 private:
  friend class batch_forward;

  config config_;
  weights weights_;
  precision precision_;
  std::unique_ptr<packed_weights> packed_;
  std::unique_ptr<crew> crew_;
  std::shared_ptr<workspace_pool> pool_;
};

/// One user's part of a batch. Events are those of the window: the first is the one that first_token belongs to. The spans
/// are read until batch_forward::embed() has run; `compute` only by the constructor.
struct request
{
  std::span<const std::uint64_t> items;               ///< [events]; it and actions unused with inputs by the caller
  std::span<const std::uint32_t> actions;             ///< [events]
  std::span<const std::int64_t> times;                ///< [events] seconds, ascending; unused without time buckets
  kvstrata::token_count history = 0;                  ///< tokens of the history, those before the window included
  std::span<const kvstrata::token_interval> compute;  ///< ascending, disjoint, in the window: tokens not yet in pages
  std::span<const std::uint64_t> candidates;          ///< item ids to score
  std::int64_t time = 0;                              ///< seconds; when the candidates are shown
  kvstrata::token_count first_token = 0;              ///< all attend to [first_token, history) only

  /// Ask also for the last state of the history's last token, which may be in the pages already: it is computed as a
  /// candidate is, from its input. There must be such a token in the window.
  bool last_state = false;

  // With token_inputs::by_caller, what enters the first layer, embedding and position in it:
  std::span<const float> inputs = {};            ///< [tokens to compute][hidden], in the order of the compute list
  std::span<const float> candidate_inputs = {};  ///< [candidates][hidden]; `candidates` is unused
  std::span<const float> last_input = {};        ///< [hidden] of the history's last token, where last_state asks for it
};

/// The number of a request's first event, counted from the beginning of the history.
[[nodiscard]] constexpr std::uint32_t first_event_of(const config& c, const request& r) noexcept
{
  return r.first_token / c.event_tokens;
}

/// Events of a request's window.
[[nodiscard]] constexpr std::size_t events_of(const config& c, const request& r) noexcept
{
  return r.history == r.first_token
             ? 0
             : (std::size_t{r.history} + c.event_tokens - 1) / c.event_tokens - first_event_of(c, r);
}

/// The time that the history's token at `position` looks from. Needs the times of the window's events.
[[nodiscard]] inline std::int64_t query_time_of(const config& c, const request& r, std::uint32_t position)
{
  if (c.looks_from == query_time::next && ++position == r.history) return r.time;
  return r.times[position / c.event_tokens - first_event_of(c, r)];
}

[[nodiscard]] constexpr std::size_t candidates_of(const config& c, const request& r) noexcept
{
  return c.inputs == token_inputs::by_caller ? r.candidate_inputs.size() / c.hidden : r.candidates.size();
}

/// How a pass treats the front of a window: the tokens from its beginning on, where these are to be computed. They
/// attend to nothing that was in the pages before.
enum class fronts : std::uint8_t {
  together,  ///< with the rest of a layer: fewer, larger products
  apart,     ///< by themselves, so that front(l) can run while the rest of layer l is on its way to the pages
};

/// A forward pass of a batch, in steps that a caller can put onto a stream one by one:
/// embed(), layer(0), ..., layer(layers - 1), head(); and, where fronts are apart, front(l) before layer(l).
///
/// layer(l) reads K and V of layer l of all tokens outside the compute lists from the pages, and writes those of the
/// tokens in them; it touches no other layer and no other byte. Results do not depend on which tokens were in the pages
/// already, within f32 rounding; of a model that computes in bf16, within that of bf16, as sums that differ in their last
/// bit may round apart. front(l) reads and writes of layer l only the tokens of fronts; layer(l) then computes
/// the rest. A layer whose front was not called for computes it, with the same results to the last bit.
///
/// Movable. One thread at a time; every step blocks its caller until it is done and uses the model's crew.
class batch_forward
{
 public:
  /// Prepares a pass; request r owns request r of the view. Cheap: proportional to the tokens to compute.
  /// Throws kvstrata::geometry_error when the view is of another shape, kvstrata::history_error when a request
  /// contradicts itself or the view.
  /// What the view points to must stay until head() has run.
  batch_forward(const model& m, std::span<const request> requests, const kvstrata::page_table_view& view,
                fronts how = fronts::together);
  ~batch_forward();
  batch_forward(batch_forward&&) noexcept;
  batch_forward& operator=(batch_forward&&) noexcept;

  /// Are there fronts to be computed apart?
  [[nodiscard]] bool has_front() const;

  void embed();
  void front(kvstrata::layer_index l);  ///< throws kvstrata::usage_error out of turn, and where fronts are together
  void layer(kvstrata::layer_index l);  ///< throws kvstrata::usage_error out of turn
  void head();                          ///< throws kvstrata::usage_error before the last layer

  /// Scores of one request, [candidates][tasks]; valid after head() and while the pass lives.
  [[nodiscard]] std::span<const float> scores(std::size_t request) const;
  /// Scores of all requests in a row.
  [[nodiscard]] std::span<const float> scores() const;

  /// What left the last layer: of one request's candidates, [candidates][hidden]. Valid after the last layer() and while
  /// the pass lives; throws kvstrata::usage_error before.
  [[nodiscard]] std::span<const float> states(std::size_t request) const;
  /// Likewise of its history's last token, [hidden]; empty where the request did not ask for it.
  [[nodiscard]] std::span<const float> last_state(std::size_t request) const;

  struct state;

 private:
  std::unique_ptr<state> state_;
};

}  // namespace hstu
