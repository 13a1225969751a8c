// MTGR on a device, in bf16 with sums in float: the steps of mtgr/model.hpp, queued instead of carried out, over the runners of
// HSTU (hstu/gpu/runner.hpp).
//
//   model<Runner>   config and weights                                here
//   lane<Runner>    a compute stream with the memory of its passes    pass.hpp
//   pass<Runner>    a forward pass of a batch                         pass.hpp
#pragma once

#include "hstu/gpu/device_tensors.hpp"
#include "hstu/gpu/placed_model.hpp"
#include "hstu/gpu/runner.hpp"
#include "hstu/gpu/support.hpp"
#include "mtgr/weights.hpp"

#include <kvstrata/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mtgr::gpu {

using hstu::gpu::bf16;
using hstu::gpu::bf16_geometry_of;
using hstu::gpu::runner;

/// Returns it, or throws kvstrata::config_error with the first field that the model or its kernels do not take.
inline const config& check_gpu(const config& c)
{
  check(c);
  hstu::gpu::check_row("mtgr.hidden", c.hidden);
  hstu::gpu::check_row("mtgr.heads * mtgr.head_dim", width_of(c));
  hstu::gpu::check_vectors("mtgr.user_features", c.user_features);
  hstu::gpu::check_vectors("mtgr.item_features", c.item_features);
  hstu::gpu::check_vectors("mtgr.cross_features", c.cross_features);
  hstu::gpu::check_vectors("mtgr.token_hidden", c.token_hidden);
  hstu::gpu::check_vectors("mtgr.head_hidden", c.head_hidden);
  if (c.head_dim != 64 && c.head_dim != 128 && c.head_dim != 256) {
    throw kvstrata::config_error("mtgr.head_dim", c.head_dim, "the attention kernel takes 64, 128 and 256");
  }
  return c;
}

struct device_token_weights
{
  const bf16* in = nullptr;
  const float* in_bias = nullptr;
  const bf16* out = nullptr;
  const float* out_bias = nullptr;
};

struct device_layer_weights
{
  const float *input_gain = nullptr, *input_bias = nullptr;
  const bf16* project = nullptr;
  const float* project_bias = nullptr;
  const float *gated_gain = nullptr, *gated_bias = nullptr;
  const bf16* output = nullptr;
  const float* output_bias = nullptr;
};

/// Shapes of what it has are those of mtgr::weights: matrices in bf16, biases and norms in float.
template <runner Runner>
class model : public hstu::gpu::placed_model<Runner, config>
{
  using base = hstu::gpu::placed_model<Runner, config>;

 public:
  /// Draws the weights that mtgr::model draws from this config. Blocks until they are on the device. Throws
  /// kvstrata::config_error when the kernels do not take the config, kvstrata::capacity_error.
  model(Runner& r, const config& c, kvstrata::stream_id stream) : model(r, c, random_weights(check_gpu(c)), stream) {}

  /// The same with weights of this config. Throws kvstrata::config_error also for a tensor of another size, with its name.
  model(Runner& r, const config& c, const weights& w, kvstrata::stream_id stream)
      : base(r, check_gpu(c)), tensors_(r.device(), stream)
  {
    check(c, w);
    for (std::size_t d = 0; d < domains; ++d) {
      tokens[d] = {matrix(w.tokens[d].in), row(w.tokens[d].in_bias), matrix(w.tokens[d].out),
                   row(w.tokens[d].out_bias)};
    }
    for (const layer_weights& l : w.layers) {
      layers.push_back({row(l.input.gain), row(l.input.bias), matrix(l.project), row(l.project_bias), row(l.gated.gain),
                        row(l.gated.bias), matrix(l.output), row(l.output_bias)});
    }
    head_in = matrix(w.head_in);
    head_in_bias = row(w.head_in_bias);
    head_out = matrix(w.head_out);
    head_out_bias = row(w.head_out_bias);
    tensors_.close();
  }

  std::array<device_token_weights, domains> tokens;
  std::vector<device_layer_weights> layers;
  const bf16* head_in = nullptr;
  const float* head_in_bias = nullptr;
  const bf16* head_out = nullptr;
  const float* head_out_bias = nullptr;

 private:
  const bf16* matrix(const std::vector<float>& t) { return tensors_.template place<bf16>(t, "mtgr matrix"); }
  const float* row(const std::vector<float>& t) { return tensors_.template place<float>(t, "mtgr bias or gain"); }

  hstu::gpu::device_tensors<typename base::device_type> tensors_;
};

}  // namespace mtgr::gpu
