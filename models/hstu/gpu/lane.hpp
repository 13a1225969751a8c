// A compute stream with the memory of its passes: workspaces on the device, which the stream's order lets all its
// passes share, and places for what goes up to a pass and comes down from it, two of them so that the next pass can
// be made while the last one runs.
#pragma once

#include "hstu/gpu/bf16.hpp"
#include "hstu/gpu/growing_memory.hpp"
#include "hstu/gpu/model.hpp"
#include "hstu/gpu/upload.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace hstu::gpu {

/// How the few bytes of a pass travel that are no KV: its arrays up, its scores down.
enum class small_copies : std::uint8_t {
  copy_engine,  ///< by Device::copy: behind what the cache has queued in the same direction
  kernel,  ///< by Device::copy_kernel_launch, which overtakes the copy engines' queues and takes a few multiprocessors
};

struct lane_config
{
  small_copies travel = small_copies::copy_engine;
  std::uint32_t copy_sms = 2;  ///< of small_copies::kernel
};

/// One thread at a time uses a lane and its passes. Destroying it blocks until its passes are over.
template <runner Runner>
class lane
{
 public:
  using device_type = typename Runner::device_type;

  /// What belongs to one pass. A pass has it to itself until it is destroyed.
  struct place
  {
    growing_memory<device_type> host;    ///< the upload, then the scores
    growing_memory<device_type> device;  ///< the same
    row_plan plan;
    kvstrata::event last;  ///< after it nothing queued uses this place
  };

  /// Where things lie in the workspaces, by row of the plan. D is width_of(config).
  struct workspace
  {
    float* residual = nullptr;  ///< [rows][hidden]
    bf16* normal = nullptr;     ///< [rows][hidden]
    bf16* projected = nullptr;  ///< [rows][4 * D] U, Q, K, V
    bf16* attended = nullptr;   ///< [rows][D]
    bf16* inner = nullptr;      ///< [candidates][hidden] of the head, or what its layers read, padded
    float* layered = nullptr;   ///< [candidates][padded] what products of its layers give; null without such layers
    float* parts = nullptr;     ///< see attention_arguments::part_sums
  };

  lane(const model<Runner>& m, kvstrata::stream_id stream, lane_config c = {})
      : model_(m), stream_(stream), config_(c), last_(device().record(stream))
  {
  }
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;
  ~lane()
  {
    try {
      device().wait_sync(last_);
      for (const auto& p : idle_) device().wait_sync(p->last);
    } catch (...) {  // the device has failed, and nothing runs on it any more
    }
  }

  [[nodiscard]] const model<Runner>& parameters() const noexcept { return model_; }
  [[nodiscard]] kvstrata::stream_id stream() const noexcept { return stream_; }
  [[nodiscard]] device_type& device() const noexcept { return model_.machine().device(); }
  [[nodiscard]] Runner& machine() const noexcept { return model_.machine(); }

  /// Blocks the host until all passes are over that have begun and are finished or destroyed.
  void finish_sync() { device().wait_sync(last_); }

  // --- for pass ----------------------------------------------------------------------------------------------------

  /// A place that nothing queued uses. Blocks only while the stream still uses all that no pass has.
  [[nodiscard]] std::unique_ptr<place> take()
  {
    for (auto& p : idle_) {
      if (!device().query(p->last)) continue;
      std::swap(p, idle_.back());
      return take_last();
    }
    if (idle_.empty() || made_ < places) {
      idle_.reserve(made_ + 1);  // for put()
      auto fresh = std::make_unique<place>();
      ++made_;
      return fresh;
    }
    std::swap(idle_.front(), idle_.back());
    device().wait_sync(idle_.back()->last);
    return take_last();
  }

  void put(std::unique_ptr<place> used) noexcept { idle_.push_back(std::move(used)); }

  /// Workspaces for a pass of so many rows, `parts` in floats, poisoned where the device poisons. Blocks when they
  /// must grow, until earlier passes are over.
  [[nodiscard]] workspace reserve(std::size_t rows, std::size_t candidates, std::size_t parts);

  /// Overwrites memory in which nothing may be left to read, where the device poisons.
  void poison(std::byte* at, std::size_t bytes)
  {
    if constexpr (requires { device().poison(stream_, at, bytes); }) {
      if (bytes != 0) device().poison(stream_, at, bytes);
    }
  }

  /// Queues one of the pass's small copies.
  void queue_small(kvstrata::copy_direction direction, std::byte* to, const std::byte* from, std::size_t bytes)
  {
    if (bytes == 0) return;
    if constexpr (kvstrata::runs_copy_kernels<device_type>) {
      if (config_.travel == small_copies::kernel) {
        const bool up = direction == kvstrata::copy_direction::to_device;
        const kvstrata::copy_piece piece{to, from, bytes};
        device().copy_kernel_launch(
            stream_,
            {up ? "pass upload" : "scores", up ? kvstrata::copy_route::to_device : kvstrata::copy_route::from_device,
             config_.copy_sms},
            {&piece, 1});
        return;
      }
    }
    device().copy(stream_, direction, to, from, bytes);
  }

  /// Begins `who`'s steps on the stream; throws kvstrata::usage_error while another pass is in the midst of its own.
  void enter(const void* who)
  {
    if (inside_ != nullptr && inside_ != who) {
      throw kvstrata::usage_error(
          "embed() was called, but another pass of the same lane is between its embed() and its head(): they share "
          "their "
          "workspaces; finish or destroy it first");
    }
    inside_ = who;
  }
  /// Ends them; returns the point behind all that is queued by now.
  kvstrata::event leave()
  {
    inside_ = nullptr;
    last_ = device().record(stream_);
    return last_;
  }

 private:
  static constexpr std::size_t places = 2;

  [[nodiscard]] std::unique_ptr<place> take_last()
  {
    auto out = std::move(idle_.back());
    idle_.pop_back();
    return out;
  }

  const model<Runner>& model_;
  kvstrata::stream_id stream_;
  lane_config config_;
  kvstrata::event last_;  // behind the last pass
  const void* inside_ = nullptr;
  growing_memory<device_type> work_;
  std::vector<std::unique_ptr<place>> idle_;  // of no pass
  std::size_t made_ = 0;                      // places in all
};

template <runner Runner>
auto lane<Runner>::reserve(std::size_t rows, std::size_t candidates, std::size_t parts) -> workspace
{
  const config& c = model_.options();
  std::size_t bytes = 0;
  const auto take = [&bytes](std::size_t some) {
    const std::size_t at = bytes;
    bytes += (some + 255) / 256 * 256;
    return at;
  };
  const std::size_t residual = take(rows * c.hidden * sizeof(float));
  const std::size_t normal = take(rows * c.hidden * sizeof(bf16));
  const std::size_t projected = take(rows * 4 * width_of(c) * sizeof(bf16));
  const std::size_t attended = take(rows * width_of(c) * sizeof(bf16));
  const std::size_t widest = model_.parameters().widest_head();
  const std::size_t inner = take(candidates * (std::max)(std::size_t{c.hidden}, widest) * sizeof(bf16));
  const std::size_t layered = take(candidates * widest * sizeof(float));
  const std::size_t part_sums = take(parts * sizeof(float));
  if (bytes == 0) return {};
  if (work_.must_grow(bytes)) device().wait_sync(last_);
  std::byte* const base = work_.reserve(device(), false, bytes, "hstu workspaces");
  poison(base, bytes);
  return {reinterpret_cast<float*>(base + residual), reinterpret_cast<bf16*>(base + normal),
          reinterpret_cast<bf16*>(base + projected), reinterpret_cast<bf16*>(base + attended),
          reinterpret_cast<bf16*>(base + inner),     widest == 0 ? nullptr : reinterpret_cast<float*>(base + layered),
          reinterpret_cast<float*>(base + part_sums)};
}

}  // namespace hstu::gpu
