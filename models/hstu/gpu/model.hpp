// HSTU on a device, in bf16 with sums in float: the steps of hstu/model.hpp, queued instead of carried out.
//
//   emulated_runner or cuda_runner     how kernels and products are queued            runner.hpp
//   model<Runner>                      config and weights                             here
//   lane<Runner>                       a compute stream with the memory of its passes lane.hpp
//   pass<Runner>                       a forward pass of a batch                      pass.hpp
//   recompute(lane, ...)               the same without a cache                       recompute.hpp
#pragma once

#include "hstu/gpu/device_weights.hpp"
#include "hstu/gpu/placed_model.hpp"
#include "hstu/gpu/runner.hpp"
#include "hstu/gpu/support.hpp"

#include <cstddef>

namespace hstu::gpu {

template <runner Runner>
class model : public placed_model<Runner, config>
{
  using base = placed_model<Runner, config>;

 public:
  /// Draws the weights that hstu::model draws from this config, rounded to bf16. Blocks until they are on the device.
  /// Throws kvstrata::config_error when the kernels do not take the config, kvstrata::capacity_error.
  model(Runner& r, const config& c, kvstrata::stream_id stream)
      : model(r, drawn(c), random_weights(check_gpu(c)), stream)
  {
  }

  /// The same with weights of this config, their projections in the order that it names. Throws kvstrata::config_error also
  /// for a tensor of another size, with its name.
  model(Runner& r, const config& c, const weights& w, kvstrata::stream_id stream)
      : base(r, check_gpu(c)), weights_(r.device(), c, checked(c, w), stream)
  {
    this->config_.projection = projection_order::u_q_k_v;
  }

  [[nodiscard]] const device_weights<typename base::device_type>& parameters() const noexcept { return weights_; }

 private:
  static const weights& checked(const config& c, const weights& w)
  {
    check(c, w);
    return w;
  }
  static config drawn(config c)  // random weights are in this order already
  {
    c.projection = projection_order::u_q_k_v;
    return c;
  }

  device_weights<typename base::device_type> weights_;
};

}  // namespace hstu::gpu
