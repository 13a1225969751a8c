// Where a case serves with the kernels of hstu/gpu: replay/cpu_place.hpp tells what is asked of it.
#pragma once

#include "hstu/gpu/lane.hpp"
#include "hstu/gpu/model.hpp"
#include "hstu/gpu/pass.hpp"
#include "hstu/gpu/recompute.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace gpu_replay {

/// Device, model and weights: one for the whole run.
template <hstu::gpu::runner Runner>
struct shared_machine
{
  const hstu::gpu::model<Runner>& model;
  hstu::gpu::lane_config lane;
};

template <hstu::gpu::runner Runner>
class place
{
 public:
  using device_type = typename Runner::device_type;
  using machine = shared_machine<Runner>;

  place(const machine& m, bool)
      : device_(m.model.machine().device()),
        compute_(device_.create_stream("compute")),
        lane_(m.model, compute_, m.lane),
        scratch_(lane_)
  {
  }

  [[nodiscard]] device_type& device() noexcept { return device_; }
  [[nodiscard]] kvstrata::stream_id compute() const noexcept { return compute_; }

  void begin(std::span<const hstu::request> requests, const kvstrata::page_table_view& view, hstu::fronts how)
  {
    pass_.reset();
    pass_.emplace(lane_, requests, view, how);
  }
  void begin_alone(std::span<const hstu::request> requests)
  {
    pass_.reset();
    pass_.emplace(hstu::gpu::plan_recompute(lane_, requests, scratch_));
  }

  void embed() { pass_->embed(); }
  [[nodiscard]] bool has_front() const { return pass_->has_front(); }
  void front(std::uint32_t l) { pass_->front(l); }
  void layer(std::uint32_t l) { pass_->layer(l); }
  void head() { pass_->head(); }

  void finish_sync() { device_.wait_sync(device_.record(compute_)); }
  [[nodiscard]] std::span<const float> scores(std::size_t request) const { return pass_->scores_sync(request); }

  // An emulated device tells who waited for copies. A GPU does not, and asking it would cost the host time that is measured.
  [[nodiscard]] double blocked_seconds() const
  {
    if constexpr (tells_waits) return device_.stats().host_wait_seconds;
    else return 0;
  }
  [[nodiscard]] double stalled_seconds() const
  {
    if constexpr (tells_waits) return device_.stats().streams[static_cast<std::size_t>(compute_)].stall_seconds;
    else return 0;
  }

 private:
  static constexpr bool tells_waits = std::same_as<device_type, kvstrata::emulated_device>;

  device_type& device_;
  kvstrata::stream_id compute_;
  hstu::gpu::lane<Runner> lane_;
  hstu::gpu::scratch_pages<Runner> scratch_;
  std::optional<hstu::gpu::pass<Runner>> pass_;
};

}  // namespace gpu_replay
