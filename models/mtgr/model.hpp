// MTGR (Meituan: arXiv 2505.18654, CIKM 2025), a generative ranking model with cross features, on the CPU, on paged KV of two
// parts.
//
// A user is [U, S, R, candidates]: scalar features of a profile, a long history, what happened in the last hours, and items to
// score, each a token that a small MLP makes of its features. One pass scores all candidates of a user, where a row a
// candidate would compute the user again for each. A layer is
//
//   X~ = group norm(X)      U, Q, K, V = silu(X~ W + b)      A = silu(Q K^T) / N, where it is visible, times V
//   X  = X + group norm(A (.) U) W' + b'
//
// with a gain and bias of the norms for each domain (weights.hpp), and the mask that rows.hpp draws. Two towers turn a
// candidate's last state into its logits for CTR and CTCVR. The last layer's output is needed of candidates only, so of other
// tokens it computes K and V and nothing else.
//
// What the paper leaves open is decided so that K and V can be kept: statistics of the norms are a token's own, R is in the
// order of time, and N is a constant (config.hpp). The projections activate all of U, Q, K and V, as HSTU's do.
//
// Of a cache it needs two parts: U and S, which are replaced together, and R, which grows. K and V of candidates are kept
// nowhere: they are on scratch pages, where there are any, or in the pass's own memory. Read on: config.hpp, weights.hpp, request.hpp, rows.hpp; recompute.hpp for a pass without a cache and flops.hpp for
// what it costs. Attention, products and loops are HSTU's (models/hstu).
#pragma once

#include "mtgr/config.hpp"
#include "mtgr/request.hpp"
#include "mtgr/weights.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace hstu {
class crew;
}

namespace mtgr {

struct packed_weights;
class workspace_pool;

/// Weights, the crew that computes with them, and scratch memory for passes. Immutable to its users: any number of threads may run passes on one model.
/// Must outlive its passes.
class model
{
 public:
  /// Checks the config (throws kvstrata::config_error) and draws the weights. `threads` 0 stands for one per core.
  explicit model(const config& c, std::size_t threads = 0);
  /// The same with weights of this config. Throws kvstrata::config_error also for a tensor of another size, with its name.
  model(const config& c, weights w, std::size_t threads = 0);
  ~model();
  model(const model&) = delete;
  model& operator=(const model&) = delete;

  [[nodiscard]] const config& options() const noexcept { return config_; }
  [[nodiscard]] const weights& parameters() const noexcept { return weights_; }
  [[nodiscard]] kvstrata::geometry shape() const noexcept { return geometry_of(config_); }

 private:
  friend class batch_forward;

  config config_;
  weights weights_;
  std::unique_ptr<const packed_weights> packed_;  // its matrices once more, as products read them
  std::unique_ptr<hstu::crew> crew_;
  std::shared_ptr<workspace_pool> pool_;
};

/// A forward pass of a batch, in steps that a caller can put onto a stream one by one:
/// embed(), layer(0), ..., layer(layers - 1), head().
///
/// layer(l) reads K and V of layer l of all tokens outside the compute lists from the pages of their part, and writes those of
/// the tokens in them; it touches no other layer and no other byte. Results do not depend on which tokens were in the pages
/// already, within f32 rounding.
///
/// Movable. One thread at a time; every step blocks its caller until it is done and uses the model's crew.
class batch_forward
{
 public:
  /// Prepares a pass; request r owns request r of the views. Proportional to the tokens to compute. Throws what
  /// check_batch() of rows.hpp throws. What the views point to must stay until head() has run.
  batch_forward(const model& m, std::span<const request> requests, const part_views& views);
  ~batch_forward();
  batch_forward(batch_forward&&) noexcept;
  batch_forward& operator=(batch_forward&&) noexcept;

  void embed();
  void layer(kvstrata::layer_index l);  ///< throws kvstrata::usage_error out of turn
  void head();                          ///< throws kvstrata::usage_error before the last layer

  /// Logits of one request, [candidates][tasks]; valid after head() and while the pass lives.
  [[nodiscard]] std::span<const float> logits(std::size_t request) const;
  /// Logits of all requests in a row.
  [[nodiscard]] std::span<const float> logits() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace mtgr
