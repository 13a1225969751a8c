// The decoder on a device, in bf16 with sums in float: the steps of decoder/model.hpp, queued instead of carried out, over the
// runners of HSTU (hstu/gpu/runner.hpp).
//
//   model<Runner>        config and weights                                     here
//   lane<Runner>         a compute stream with the memory of its passes         pass_rows.hpp
//   prompt_pass<Runner>  K and V of tokens of histories                         prompt_pass.hpp
//   beam_pass<Runner>    a step of beams, and what a layout moves after it      beam_pass.hpp
#pragma once

#include "decoder/config.hpp"
#include "decoder/weights.hpp"

#include "hstu/gpu/device_tensors.hpp"
#include "hstu/gpu/placed_model.hpp"
#include "hstu/gpu/runner.hpp"
#include "hstu/gpu/support.hpp"

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace decoder::gpu {

using hstu::gpu::bf16;
using hstu::gpu::bf16_geometry_of;
using hstu::gpu::runner;

/// Returns it, or throws kvstrata::config_error with the first field that the model or its kernels do not take.
inline const config& check_gpu(const config& c)
{
  check(c);
  hstu::gpu::check_row("decoder.hidden", c.hidden);
  hstu::gpu::check_vectors("decoder.ffn", c.ffn);
  for (std::size_t level = 0; level < c.codebooks.size(); ++level) {
    hstu::gpu::check_vectors("decoder.codebooks[" + std::to_string(level) + "]", c.codebooks[level]);
  }
  if (c.head_dim != 64 && c.head_dim != 128) {
    throw kvstrata::config_error("decoder.head_dim", c.head_dim, "staged attention on a GPU takes 64 and 128");
  }
  return c;
}

/// Shapes are those of layer_weights: matrices in bf16, norms in float.
struct device_layer_weights
{
  const float* attention_norm = nullptr;
  const bf16* project = nullptr;
  const bf16* output = nullptr;
  const float* ffn_norm = nullptr;
  const bf16* gate_up = nullptr;
  const bf16* down = nullptr;
};

template <runner Runner>
class model : public hstu::gpu::placed_model<Runner, config>
{
  using base = hstu::gpu::placed_model<Runner, config>;

 public:
  /// Draws the weights that decoder::model draws from this config. Blocks until they are on the device. Throws
  /// kvstrata::config_error when the kernels do not take the config, kvstrata::capacity_error.
  model(Runner& r, const config& c, kvstrata::stream_id stream) : base(r, check_gpu(c)), tensors_(r.device(), stream)
  {
    const weights w = random_weights(c);
    std::vector<float> all;
    for (const std::vector<float>& table : w.tokens) {
      first_tokens_.push_back(static_cast<std::uint32_t>(all.size() / c.hidden));
      all.insert(all.end(), table.begin(), table.end());
      heads.push_back(matrix(transposed(table)));
    }
    start_ = static_cast<std::uint32_t>(all.size() / c.hidden);
    all.insert(all.end(), w.start.begin(), w.start.end());
    tokens = matrix(all);
    for (const layer_weights& l : w.layers) {
      layers.push_back({row(l.attention_norm), matrix(l.project), matrix(l.output), row(l.ffn_norm), matrix(l.gate_up),
                        matrix(l.down)});
    }
    // Logits are divided by sqrt(hidden): the last norm does it.
    std::vector<float> last = w.final_norm;
    for (float& x : last) x /= std::sqrt(static_cast<float>(c.hidden));
    final_norm = row(last);
    tensors_.close();
  }

  /// The row of `tokens` that a level's token is embedded by, and that of the start token.
  [[nodiscard]] std::uint32_t token_row(std::uint32_t level, std::uint32_t token) const
  {
    return first_tokens_[level] + token;
  }
  [[nodiscard]] std::uint32_t start_row() const noexcept { return start_; }

  const bf16* tokens = nullptr;       ///< [tokens of all levels, start token][hidden]
  std::vector<const bf16*> heads;     ///< [depth] [hidden][codebook]
  const float* final_norm = nullptr;  ///< [hidden] over sqrt(hidden)
  std::vector<device_layer_weights> layers;

 private:
  [[nodiscard]] std::vector<float> transposed(const std::vector<float>& table) const
  {
    const std::size_t hidden = this->config_.hidden;
    const std::size_t codebook = table.size() / hidden;
    std::vector<float> out(table.size());
    for (std::size_t token = 0; token < codebook; ++token) {
      for (std::size_t i = 0; i < hidden; ++i) out[i * codebook + token] = table[token * hidden + i];
    }
    return out;
  }
  const bf16* matrix(const std::vector<float>& t) { return tensors_.template place<bf16>(t, "decoder matrix"); }
  const float* row(const std::vector<float>& t) { return tensors_.template place<float>(t, "decoder norm"); }

  hstu::gpu::device_tensors<typename base::device_type> tensors_;
  std::vector<std::uint32_t> first_tokens_;  // [depth]
  std::uint32_t start_ = 0;
};

}  // namespace decoder::gpu
