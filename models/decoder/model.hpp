// A decoder of semantic IDs on the CPU, on a paged KV cache: what a generative recommender with beam search runs (xGR, arXiv
// 2512.11529; TIGER, arXiv 2305.05065), of the common build of language models, with seeded random weights.
//
// A layer normalises its input (root mean square), projects it to Q, K and V, turns pairs of Q and K by the token's position
// (rotary, Su et al., arXiv 2104.09864; K is kept turned), attends to what came before with softmax(QK^T / sqrt(head_dim)) V, projects
// and adds; then normalises, and adds what a gated network of two products makes of it (SwiGLU, Shazeer, arXiv 2002.05202). Logits are
// the last state, normalised, times the embeddings of the next level's codebook, divided by sqrt(hidden).
//
// A history's KV is what a cache keeps: causal, positions counted from its beginning, no length in it. Beams share it, and add
// a start token and their own tokens, whose KV lies in scratch.
//
// Read on: config.hpp, prompt_forward.hpp (histories), beam_forward.hpp (beams), attention.hpp (stages), search/beam_search.hpp.
#pragma once

#include "decoder/config.hpp"
#include "decoder/weights.hpp"

#include "hstu/crew.hpp"

#include <cstddef>
#include <memory>

namespace decoder {

/// Weights, and the crew of threads that computes with them. Immutable to its users: any number of threads may run passes on
/// one model. Must outlive its passes.
class model
{
 public:
  /// Checks the config (throws kvstrata::config_error) and draws the weights. `threads` 0 stands for one per core.
  explicit model(const config& c, std::size_t threads = 0);

  [[nodiscard]] const config& options() const noexcept { return config_; }
  [[nodiscard]] const weights& parameters() const noexcept { return weights_; }
  [[nodiscard]] kvstrata::geometry shape() const noexcept { return geometry_of(config_); }
  [[nodiscard]] hstu::crew& crew() const noexcept { return *crew_; }

 private:
  config config_;
  weights weights_;
  std::unique_ptr<hstu::crew> crew_;
};

}  // namespace decoder
