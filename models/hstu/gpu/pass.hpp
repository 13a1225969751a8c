// A forward pass of a batch, queued on a lane's stream.
//
//   embed      x = table[token] + position                                        1 kernel, 1 copy up
//   layer      normalise | project to U, Q, K, V | SiLU, K and V into the pages | attention | normalise, gate by U |
//              project, add to x                                                  4 kernels, 2 products
//   head       normalise | product | SiLU and product                             2 kernels, 1 product, 1 copy down
//
// That is the model of random weights. Inputs by the caller spare the first kernel, a bias of the output projection adds one
// to a layer; last states come down with the scores, or in place of them, by a copy more. A head of layers takes a kernel, a
// fill and a product a layer, and a kernel.
//
// The last layer's output is needed of candidates only: it computes K and V of history rows and nothing else, which
// is one product more. Fronts that are apart take as much again as a layer. Where blocks share the keys of a tile, a
// kernel more adds up what they found.
#pragma once

#include "hstu/gpu/activate.hpp"
#include "hstu/gpu/add_row.hpp"
#include "hstu/gpu/attention.hpp"
#include "hstu/gpu/embed.hpp"
#include "hstu/gpu/footprint.hpp"
#include "hstu/gpu/head_row.hpp"
#include "hstu/gpu/lane.hpp"
#include "hstu/gpu/normalise.hpp"
#include "hstu/gpu/score.hpp"
#include "hstu/model.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hstu::gpu {

/// Makes the promises of hstu::batch_forward, with two differences. Its steps queue work on the lane's stream and do
/// not block: what they read is read when the stream comes there, the compute lists and the page table's arrays by
/// the constructor. And K and V are bf16, so that results depend on which tokens were in the pages already within the
/// rounding of bf16.
///
/// Passes of one lane take turns: from embed() to head() a pass has the lane to itself. A pass may be constructed,
/// and its steps queued, while earlier ones are still running on the device.
///
/// Movable. One thread at a time. It must not outlive its lane; destroying it before head() leaves the rest uncomputed.
template <runner Runner>
class pass
{
 public:
  using device_type = typename Runner::device_type;

  /// Plans a pass; request r owns request r of the view. Proportional to the tokens to compute and to the pages.
  /// Throws what hstu::batch_forward throws, for bf16 pages, and kvstrata::config_error when their size is none for
  /// the kernels.
  pass(lane<Runner>& on, std::span<const request> requests, const kvstrata::page_table_view& view,
       fronts how = fronts::together)
      : state_(std::make_unique<state>(on, requests, view, how))
  {
  }

  /// Are there fronts to be computed apart?
  [[nodiscard]] bool has_front() const { return state_->plan().front_rows != 0; }

  void embed() { state_->embed(); }  ///< throws kvstrata::usage_error out of turn
  /// Throws kvstrata::usage_error out of turn, and where fronts are together.
  void front(kvstrata::layer_index l) { state_->front(l); }
  void layer(kvstrata::layer_index l) { state_->layer(l); }  ///< throws kvstrata::usage_error out of turn
  void head() { state_->head(); }                            ///< throws kvstrata::usage_error before the last layer

  /// The point at which the scores are there. Throws kvstrata::usage_error before head().
  [[nodiscard]] kvstrata::event done() const
  {
    if (state_->step != state::steps::finished)
      throw kvstrata::usage_error("head() has not been called, so there are no scores");
    return state_->use->last;
  }

  /// Blocks the host until the scores are there: of all requests in a row, [candidates][tasks], or of one. They stay
  /// while the pass lives. Throws kvstrata::usage_error before head(), kvstrata::device_error when the device has
  /// failed.
  [[nodiscard]] std::span<const float> scores_sync() const
  {
    state_->on.device().wait_sync(done());
    return state_->scores();
  }
  [[nodiscard]] std::span<const float> scores_sync(std::size_t request) const
  {
    const std::vector<std::size_t>& first = state_->plan().first_candidate;
    const std::size_t tasks = state_->options.tasks;
    return scores_sync().subspan(first[request] * tasks, (first[request + 1] - first[request]) * tasks);
  }

  /// What left the last layer, likewise: of one request's candidates, [candidates][hidden]. They come down where the model
  /// has no head (config::tasks 0) and where a request of the batch asks for its last state; throws kvstrata::usage_error
  /// elsewhere.
  [[nodiscard]] std::span<const float> states_sync(std::size_t request) const
  {
    const row_plan& plan = state_->plan();
    return states_sync(plan.candidate_row(request), plan.first_candidate[request + 1] - plan.first_candidate[request]);
  }
  /// Of its history's last token, [hidden]; empty where the request did not ask for it.
  [[nodiscard]] std::span<const float> last_state_sync(std::size_t request) const
  {
    const row_plan& plan = state_->plan();
    if (!plan.has_last(request)) return {};
    return states_sync(plan.last_row(request), 1);
  }

 private:
  [[nodiscard]] std::span<const float> states_sync(std::size_t first_row, std::size_t count) const
  {
    if (!state_->wants_states) {
      throw kvstrata::usage_error(
          "states were asked for, but they stayed on the device: the model has a head, and no request of the batch "
          "asks "
          "for its last state");
    }
    state_->on.device().wait_sync(done());
    const std::size_t hidden = state_->options.hidden;
    return state_->states().subspan((first_row - state_->plan().history_rows) * hidden, count * hidden);
  }

  struct state;
  std::unique_ptr<state> state_;
};

template <runner Runner>
struct pass<Runner>::state
{
  enum class steps : std::uint8_t { planned, layers, finished };

  state(lane<Runner>& l, std::span<const request> requests, const kvstrata::page_table_view& table, fronts treated);
  ~state();
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  [[nodiscard]] const row_plan& plan() const { return use->plan; }
  [[nodiscard]] std::size_t candidates() const { return plan().candidate_rows; }
  [[nodiscard]] std::size_t rows_behind() const { return plan().rows - plan().history_rows; }  // and last tokens
  [[nodiscard]] std::uint32_t parts_of(const section<query_tile>& tiles) const
  {
    return attention_parts(tiles.count, options.heads, longest, on.machine().multiprocessors());
  }
  [[nodiscard]] std::size_t floats_of_parts(const section<query_tile>& tiles) const
  {
    return part_floats(tiles.count == 0 ? 1 : parts_of(tiles), tiles.count, width);
  }
  [[nodiscard]] std::size_t score_bytes() const { return candidates() * options.tasks * sizeof(float); }
  [[nodiscard]] std::size_t state_bytes() const
  {
    return wants_states ? rows_behind() * options.hidden * sizeof(float) : 0;
  }
  [[nodiscard]] std::size_t bytes() const { return arrays.bytes + score_bytes() + state_bytes(); }
  [[nodiscard]] std::span<const float> scores() const
  {
    return {reinterpret_cast<const float*>(use->host.data() + arrays.bytes), candidates() * options.tasks};
  }
  [[nodiscard]] std::span<const float> states() const
  {
    return {reinterpret_cast<const float*>(use->host.data() + arrays.bytes + score_bytes()),
            rows_behind() * options.hidden};
  }

  void embed();
  void front(kvstrata::layer_index l);
  void layer(kvstrata::layer_index l);
  void head();

  void require_turn(kvstrata::layer_index l, const char* call) const;
  void compute(kvstrata::layer_index l, std::size_t first, std::size_t last, const section<query_tile>& tiles);
  void project(kvstrata::layer_index l, std::size_t first, std::size_t last);
  void activate(kvstrata::layer_index l, std::size_t first, std::size_t whole, std::size_t last);
  void attend(kvstrata::layer_index l, const section<query_tile>& tiles);
  void gate(const device_layer_weights& w, std::size_t first, std::size_t last);
  void score();
  void score_by_list();
  void normalise(std::size_t first, std::size_t last);
  void multiply(std::string_view label, std::size_t columns, std::size_t inner, std::size_t first, std::size_t last,
                rows_of<const bf16> a, rows_of<const bf16> b, rows_of<bf16> c);

  template <class Reads, class Writes>
  void tell(std::string_view label, Reads&& reads, Writes&& writes);
  [[nodiscard]] kvstrata::page_table_view known_view() const;

  template <class T>
  [[nodiscard]] const T* uploaded(const section<T>& part) const
  {
    return part.at(use->device.data());
  }

  lane<Runner>& on;
  const config& options;
  const std::size_t width = width_of(options);
  std::unique_ptr<typename lane<Runner>::place> use;
  typename lane<Runner>::workspace work;
  upload_layout arrays;
  kvstrata::page_table_view view;  // its arrays are not read after the constructor
  fronts how;
  kvstrata::token_count longest = 0;  // window
  kvstrata::layer_index next_layer = 0;
  steps step = steps::planned;
  bool wants_states = false;  // on the host
  bool entered = false;       // has the lane to itself
  bool front_done = false;    // of next_layer
};

}  // namespace hstu::gpu

#include "hstu/gpu/pass_rows.hpp"
//
#include "hstu/gpu/pass_head.hpp"
#include "hstu/gpu/pass_steps.hpp"
