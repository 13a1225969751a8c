// The work a stream carries out, and what is kept of it: counters and spans.
#pragma once

#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata {

enum class operation_kind : std::uint8_t { copy_to_device, copy_from_device, kernel, fill, poison, wait };

/// What an operation is called where it has no label of its own.
[[nodiscard]] constexpr std::string_view name_of(operation_kind kind) noexcept
{
  switch (kind) {
    case operation_kind::copy_to_device: return "copy to device";
    case operation_kind::copy_from_device: return "copy from device";
    case operation_kind::kernel: return "kernel";
    case operation_kind::fill: return "fill";
    case operation_kind::poison: return "poison";
    case operation_kind::wait: return "wait";
  }
  return "unknown";
}

/// When one operation ran. Times are seconds of emulated_device::now().
struct op_span
{
  stream_id stream{};
  std::string stream_name;
  std::string label;
  operation_kind kind = operation_kind::kernel;
  double begin = 0;
  double end = 0;
  std::size_t bytes = 0;

  friend bool operator==(const op_span&, const op_span&) = default;
};

/// What a device has been asked for since its construction.
struct device_counters
{
  struct traffic
  {
    std::uint64_t copies = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const traffic&, const traffic&) = default;
  };
  struct stream
  {
    std::string name;
    double busy_seconds = 0;   ///< time in copies, kernels and fills
    double stall_seconds = 0;  ///< time spent in wait() on another stream's event with further work behind it
    friend bool operator==(const stream&, const stream&) = default;
  };
  traffic to_device;
  traffic from_device;
  std::uint64_t kernels = 0;
  std::uint64_t fills = 0;       ///< fill and poison
  std::uint64_t host_waits = 0;  ///< wait_sync calls that found their event not yet complete
  double host_wait_seconds = 0;  ///< time the host spent in them
  std::vector<stream> streams;   ///< [number of the stream]

  /// Operations queued, waits left out.
  [[nodiscard]] std::uint64_t launches() const noexcept
  {
    return to_device.copies + from_device.copies + kernels + fills;
  }
};

}  // namespace kvstrata

namespace kvstrata::emulated {

/// A host function that stands for a kernel. Move-only captures are welcome.
class task
{
 public:
  explicit task(std::string_view name) : label(name) {}
  virtual ~task() = default;
  virtual void run() = 0;
  std::string label;
};

template <class Function>
class task_of final : public task
{
 public:
  template <class F>
  task_of(std::string_view name, F&& function) : task(name), function_(std::forward<F>(function))
  {
  }
  void run() override { function_(); }

 private:
  Function function_;
};

struct operation
{
  operation_kind kind = operation_kind::kernel;
  bool fails = false;        ///< an injected failure: has no effect and breaks the device
  std::byte value{};         ///< fill, poison
  event awaited;             ///< wait
  std::byte* dst = nullptr;  ///< copy, fill, poison
  const std::byte* src = nullptr;
  std::size_t bytes = 0;
  double seconds = 0;          ///< kernel: its cost in virtual time
  double queued_at = 0;        ///< set by the scheduler
  std::uint64_t sequence = 0;  ///< set by the scheduler
  std::unique_ptr<task> work;  ///< kernel

  [[nodiscard]] bool is_copy() const noexcept
  {
    return kind == operation_kind::copy_to_device || kind == operation_kind::copy_from_device;
  }
  [[nodiscard]] std::string_view label() const noexcept { return work ? work->label : name_of(kind); }

  void carry_out() const
  {
    if (is_copy()) std::memcpy(dst, src, bytes);
    else if (kind == operation_kind::fill || kind == operation_kind::poison)
      std::memset(dst, std::to_integer<int>(value), bytes);
    else if (work) work->run();
  }
};

/// Adds up the time a stream is stopped by waits while it has something better to do: an operation that was queued at
/// q behind waits that held the stream from b to e was stalled for e - max(b, q).
class stall_meter
{
 public:
  void held(double from, double until) noexcept
  {
    if (!any_) from_ = from;
    until_ = until;
    any_ = true;
  }
  /// Seconds the next operation was stalled; starts anew.
  [[nodiscard]] double released(double queued_at) noexcept
  {
    if (!any_) return 0;
    any_ = false;
    const double from = from_ < queued_at ? queued_at : from_;
    return until_ > from ? until_ - from : 0;
  }

 private:
  bool any_ = false;
  double from_ = 0;
  double until_ = 0;
};

}  // namespace kvstrata::emulated
