// The work a stream carries out.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/counters.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/span.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

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
  copy_route link = copy_route::on_device;  ///< the link it holds while it runs; on_device and on_host: none
  bool fails = false;                       ///< an injected failure: has no effect and breaks the device
  std::byte value{};                        ///< fill, poison
  event awaited;                            ///< wait
  std::byte* dst = nullptr;                 ///< a single copy, fill, poison
  const std::byte* src = nullptr;
  std::size_t bytes = 0;
  std::size_t pieces = 0;      ///< copies and copy kernels
  double seconds = 0;          ///< how long it runs; a kernel's counts in virtual time only
  double delay = 0;            ///< injected: the share of `seconds` that passes before anything happens
  double queued_at = 0;        ///< set by the scheduler
  std::uint64_t sequence = 0;  ///< set by the scheduler
  std::unique_ptr<task> work;  ///< kernel, copies of several pieces

  [[nodiscard]] bool is_copy() const noexcept
  {
    return kind == operation_kind::copy_to_device || kind == operation_kind::copy_from_device ||
           kind == operation_kind::copy_on_host;
  }
  [[nodiscard]] bool holds_link() const noexcept
  {
    return link == copy_route::to_device || link == copy_route::from_device;
  }
  [[nodiscard]] std::string_view label() const noexcept { return work ? work->label : name_of(kind); }

  void carry_out() const
  {
    if (work) work->run();
    else if (is_copy()) std::memcpy(dst, src, bytes);
    else if (kind == operation_kind::fill || kind == operation_kind::poison)
      std::memset(dst, std::to_integer<int>(value), bytes);
  }
};

/// Adds up the time a stream is stopped by waits while it has something better to do: an operation that was queued at
/// q behind waits that held the stream from b to e was stalled for e - max(b, q).
class stall_meter
{
 public:
  struct stall
  {
    double begin = 0;
    double end = 0;
    stream_id cause{};  ///< the stream that was waited for last
    [[nodiscard]] double seconds() const noexcept { return end > begin ? end - begin : 0; }
  };

  void held(double from, double until, stream_id cause) noexcept
  {
    if (!any_) from_ = from;
    until_ = until;
    cause_ = cause;
    any_ = true;
  }
  /// How the next operation was stalled; starts anew.
  [[nodiscard]] stall released(double queued_at) noexcept
  {
    if (!any_) return {};
    any_ = false;
    return {from_ < queued_at ? queued_at : from_, until_, cause_};
  }

 private:
  bool any_ = false;
  double from_ = 0;
  double until_ = 0;
  stream_id cause_{};
};

/// A stall as the trace keeps it.
[[nodiscard]] inline op_span span_of(const stall_meter::stall& s, stream_id stream, std::string_view stream_name,
                                     std::string_view cause)
{
  return {stream,
          std::string(stream_name),
          "stall: waits for " + std::string(cause),
          operation_kind::wait,
          s.begin,
          s.end,
          0,
          0};
}

}  // namespace kvstrata::emulated
