// What models on a device have in common, whatever their layers are.
#pragma once

#include "hstu/gpu/runner.hpp"
#include "hstu/gpu/support.hpp"

#include <kvstrata/device/event.hpp>

namespace hstu::gpu {

/// Any number of lanes may use one model. It must outlive its lanes, and the runner the model.
template <runner Runner, class Config>
class placed_model
{
 public:
  using runner_type = Runner;
  using device_type = typename Runner::device_type;

  [[nodiscard]] const Config& options() const noexcept { return config_; }
  [[nodiscard]] kvstrata::geometry shape() const noexcept { return bf16_geometry_of(config_); }
  [[nodiscard]] Runner& machine() const noexcept { return runner_; }

 protected:
  placed_model(Runner& r, const Config& c) : config_(c), runner_(r) {}

  Config config_;

 private:
  Runner& runner_;
};

}  // namespace hstu::gpu
