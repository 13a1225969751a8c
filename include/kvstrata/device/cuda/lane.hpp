// A stream of a CUDA device, with what belongs to it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/cuda/batch.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/event_line.hpp>
#include <kvstrata/device/cuda/host_lane.hpp>
#include <kvstrata/device/cuda/span_line.hpp>
#include <kvstrata/device/event.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// A stream of its own order: never the NULL stream, which would wait for all others.
class owned_stream
{
 public:
  owned_stream() = default;
  owned_stream(const owned_stream&) = delete;
  owned_stream& operator=(const owned_stream&) = delete;
  ~owned_stream()
  {
    if (handle_ != nullptr && cudaStreamDestroy(handle_) != cudaSuccess) forget_error();
  }

  /// Once. The GPU is current. Urgent: with the highest priority it knows.
  [[nodiscard]] call_result open(bool urgent) noexcept
  {
    int least = 0;
    int greatest = 0;  // the most urgent is the smallest number
    const call_result range{cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange"};
    if (!range) return range;
    return {cudaStreamCreateWithPriority(&handle_, cudaStreamNonBlocking, urgent ? greatest : 0),
            "cudaStreamCreateWithPriority"};
  }
  /// Blocks until all that is queued is done.
  [[nodiscard]] call_result drain() const noexcept { return {cudaStreamSynchronize(handle_), "cudaStreamSynchronize"}; }

  [[nodiscard]] cudaStream_t get() const noexcept { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

/// A stream, or a host stream: that one has neither a CUDA stream nor events.
struct lane
{
  lane(stream_id number, std::string_view called, time_anchor first) : id(number), name(called), spans(first) {}

  stream_id id;
  std::string name;
  std::unique_ptr<host_lane> host;  ///< of a host stream
  owned_stream stream;
  event_line line;
  std::atomic<bool> shared{false};  ///< its handle was given away: what others queue is not counted
  std::mutex queueing;              ///< batch, spans, busy_seconds
  batch_lists batch;
  span_line spans;
  double busy_seconds = 0;  ///< as far as it is traced
};

/// The streams of a device. Finding one takes no lock.
class lanes
{
 public:
  static constexpr std::uint32_t most = 256;

  [[nodiscard]] std::uint32_t streams() const noexcept { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] lane& at(stream_id stream) const noexcept { return *all_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] std::uint64_t last_point(stream_id stream) const noexcept
  {
    const lane& s = at(stream);
    return s.host != nullptr ? s.host->promised() : s.line.last();
  }
  [[nodiscard]] const std::string& stream_name(stream_id stream) const noexcept { return at(stream).name; }

  /// Calls open(lane) for a new one, and keeps it. When open throws, there is none.
  template <class Open>
  stream_id add(std::string_view name, time_anchor first, Open&& open)
  {
    const std::lock_guard lock(adding_);
    const std::uint32_t number = count_.load(std::memory_order_relaxed);
    if (number == most) {
      throw capacity_error("stream '" + std::string(name) + "' cannot be created: a CUDA device has at most " +
                           std::to_string(most) + " streams");
    }
    auto fresh = std::make_unique<lane>(static_cast<stream_id>(number), name, first);
    open(*fresh);
    all_[number] = std::move(fresh);
    count_.store(number + 1, std::memory_order_release);
    return static_cast<stream_id>(number);
  }

 private:
  std::mutex adding_;
  std::atomic<std::uint32_t> count_{0};
  std::array<std::unique_ptr<lane>, most> all_;
};

}  // namespace kvstrata::cuda
