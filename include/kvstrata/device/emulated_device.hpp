// A device made of host memory: deferred streams, events, copies over modelled links, kernels that are host functions.
//
// Real time: a worker thread per stream; what runs concurrently on a device runs concurrently here, so ThreadSanitizer
// sees what a race on the device would be. Virtual time: no threads, a clock of its own, the same run for the same
// seed (emulated/virtual_time.hpp tells how it passes).
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/emulated/carry_out.hpp>
#include <kvstrata/device/emulated/checked_queues.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/counted_work.hpp>
#include <kvstrata/device/emulated/make_scheduler.hpp>
#include <kvstrata/device/emulated/memory.hpp>
#include <kvstrata/device/emulated/misuse.hpp>
#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/emulated/ordering_violation.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All calls may come from several threads. Misuse (an unknown stream, an event that was never recorded, null, empty or
/// overlapping copies, a copy whose device end is no device memory) throws usage_error and changes nothing. Nor does a call
/// that throws std::bad_alloc; what is queued already runs without further memory.
class emulated_device
{
 public:
  using memory = emulated::memory;
  using memory_range = emulated::byte_range;
  using counters = device_counters;

  /// What a kernel is called, costs and touches. The footprint is read during the call only.
  struct kernel
  {
    std::string_view label;
    double seconds = 0;                      ///< its cost in virtual time; real time takes what it takes
    std::span<const memory_range> reads{};   ///< for the ordering checker
    std::span<const memory_range> writes{};  ///< for the ordering checker
  };

  /// Throws config_error when the configuration is nonsense.
  explicit emulated_device(emulated_device_config config = {})
      : config_(config),
        queues_(emulated::make_scheduler(config), config.check_ordering),
        scheduler_(queues_.streams()),
        pool_(std::make_shared<emulated::memory_pool>(config.device_bytes, config.pinned_bytes, config.data,
                                                      config.poison_freed, queues_)),
        work_(config_, queues_, pool_)
  {
  }

  emulated_device(const emulated_device&) = delete;  // streams and memory refer to it
  emulated_device& operator=(const emulated_device&) = delete;

  /// Blocks the host until all queued work is done. Memory that lives on stays valid.
  ~emulated_device()
  {
    scheduler_.drain();
    pool_->detach();
  }

  // --- the concept ------------------------------------------------------------------------------------------------

  /// Throws capacity_error beyond the bound, usage_error for 0 bytes. Zeroed.
  [[nodiscard]] memory allocate_device(std::size_t bytes, std::string_view name)
  {
    return {pool_, pool_->allocate(emulated::memory_place::device, bytes, name), bytes};
  }
  /// Throws capacity_error beyond the bound, usage_error for 0 bytes. Zeroed.
  [[nodiscard]] memory allocate_pinned(std::size_t bytes, std::string_view name)
  {
    return {pool_, pool_->allocate(emulated::memory_place::pinned, bytes, name), bytes};
  }

  [[nodiscard]] stream_id create_stream(std::string_view name) { return queues_.create_stream(name); }

  [[nodiscard]] event record(stream_id stream) { return queues_.record(stream); }
  void wait(stream_id stream, event point) { queues_.wait(stream, point); }
  [[nodiscard]] bool query(event point) { return queues_.query(point); }

  /// Throws usage_error where the event hangs on a promise that is not kept: in virtual time when all has happened that can,
  /// in real time when patience_seconds are over. The event has not come to pass then, and may yet.
  void wait_sync(event point)
  {
    if (const std::optional<double> waited = queues_.wait_sync(point)) {
      work_.count([&](counters& all) {
        ++all.host_waits;
        all.host_wait_seconds += *waited;
      });
    }
    queues_.host_waited(point);
  }

  /// The device's end must lie within one device allocation; the host's end may be any memory.
  void copy(stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    const copy_piece piece{dst, src, bytes};
    work_.copy(stream, {emulated::kind_of(direction), emulated::route_of(direction), {}, 0, true}, {&piece, 1});
  }

  /// Many copies as one: the batch holds its link once, for link_model::batch_cost. Every piece as in copy; O(pieces).
  void copy_batch(stream_id stream, copy_direction direction, std::span<const copy_piece> pieces)
  {
    work_.copy(stream, {emulated::kind_of(direction), emulated::route_of(direction), {}, 0, false}, pieces);
  }

  /// A kernel that moves all pieces; it costs copy_kernel_model::cost. Device ends must lie within one device
  /// allocation each, host ends within one pinned allocation each. O(pieces).
  void copy_kernel_launch(stream_id stream, const copy_kernel& what, std::span<const copy_piece> pieces)
  {
    work_.copy(stream, {operation_kind::copy_kernel, what.route, what.label, what.sms, false}, pieces);
  }

  /// The same for pieces of which an end is encoded; with copy_route::on_host a batch that copies them on the host.
  void code_kernel_launch(stream_id stream, const copy_kernel& what, coding how, std::span<const coded_piece> pieces)
  {
    work_.code(stream, detail::code_call_of(what), how, pieces);
  }

  // --- host streams -----------------------------------------------------------------------------------------------

  /// Takes no thread.
  [[nodiscard]] stream_id create_host_stream(std::string_view name) { return queues_.create_host_stream(name); }
  /// The ordering checker takes `io` at its word, and holds complete() to `io.ready`.
  [[nodiscard]] event promise(stream_id stream, const host_io& io = {}) { return queues_.promise(stream, io); }
  /// Throws usage_error when `ready` of its I/O has not come to pass.
  void complete(event point) { queues_.complete(point); }
  [[nodiscard]] std::string_view why_no_host_waits() const noexcept { return {}; }

  /// In virtual time: the host completes the point by itself, `seconds` after `ready` of its I/O has come to pass and not
  /// before now; with a delay drawn from the seed, as an operation has. io() runs just before, whatever has become of the
  /// device, also where data is switched off; it must not call the device, and what it throws fails the device.
  template <class Function>
    requires std::invocable<std::decay_t<Function>&>
  void complete_later(event point, double seconds, Function&& io)
  {
    queues_.complete_later(point, seconds, std::forward<Function>(io));
  }

  // --- kernels ----------------------------------------------------------------------------------------------------

  /// Queues a function as a kernel; does not block. It runs on another thread or during another call, must not call
  /// the device and must not own its memory. When it throws, the device fails. With data switched off it never runs.
  template <class Function>
    requires std::invocable<std::decay_t<Function>&>
  void launch(stream_id stream, const kernel& what, Function&& function)
  {
    require(scheduler_, stream);
    emulated::require_seconds("kernel", what.label, what.seconds);
    emulated::operation work;
    work.kind = operation_kind::kernel;
    work.seconds = what.seconds;
    work.work = std::make_unique<emulated::task_of<std::decay_t<Function>>>(
        what.label.empty() ? name_of(work.kind) : what.label, std::forward<Function>(function));
    queues_.enqueue(stream, std::move(work), what.reads, what.writes);
    work_.count([](counters& all) { ++all.kernels; });
  }

  /// Queues setting `bytes` bytes of any memory; does not block. Costs nothing in virtual time.
  void fill(stream_id stream, std::byte* dst, std::byte value, std::size_t bytes)
  {
    work_.set(stream, operation_kind::fill, dst, value, bytes);
  }

  /// Queues overwriting memory that nobody may read any more, when poison_freed(); otherwise does nothing.
  void poison(stream_id stream, std::byte* dst, std::size_t bytes)
  {
    if (config_.poison_freed) work_.set(stream, operation_kind::poison, dst, std::byte{0xFF}, bytes);
  }
  [[nodiscard]] bool poison_freed() const noexcept { return config_.poison_freed; }

  // --- time -------------------------------------------------------------------------------------------------------

  /// Seconds since construction, or the host's virtual time.
  [[nodiscard]] double now() const { return scheduler_.now(); }

  /// Lets the host spend virtual time. Throws usage_error in real time.
  void advance_host(double seconds)
  {
    if (config_.time == time_mode::real) throw usage_error("advance_host was called, but real time passes by itself");
    emulated::require_seconds("advance_host", "", seconds);
    scheduler_.advance_host(seconds);
  }

  /// Lets virtual time pass until one of the events has come to pass, but not beyond `until`. Its index; empty where
  /// time is over first, or nothing is going to happen. Throws usage_error in real time.
  std::optional<std::size_t> wait_any_sync(std::span<const event> points, double until)
  {
    if (config_.time == time_mode::real) throw usage_error("wait_any_sync was called, but it needs virtual time");
    return queues_.wait_any_sync(points, until);
  }

  // --- what went on -----------------------------------------------------------------------------------------------

  /// Tells the ordering checker that the host touches memory now. Free when nothing is checked.
  void host_reads(const std::byte* data, std::size_t bytes, std::string_view label)
  {
    queues_.host_reads(data, bytes, label);
  }
  void host_writes(const std::byte* data, std::size_t bytes, std::string_view label)
  {
    queues_.host_writes(data, bytes, label);
  }

  /// Pairs of accesses that nothing orders, when `check_ordering` is on; the first 256.
  [[nodiscard]] std::vector<ordering_violation> violations() const { return queues_.violations(); }
  /// How often the ordering checker ran out of memory. It invents no violation then, but may have missed some: it has
  /// forgotten who touched what until then.
  [[nodiscard]] std::uint64_t ordering_lapses() const { return queues_.lapses(); }

  [[nodiscard]] counters stats() const
  {
    counters out = work_.counters();
    out.streams = scheduler_.stream_counters();
    return out;
  }

  /// Spans of the operations that are over, in the order of ending, when `trace` is on. A wait leaves one, of kind
  /// wait, only where it stalled its stream; it stands before the span of the operation that was held up. A span is missing
  /// where memory ran out.
  [[nodiscard]] std::vector<op_span> trace() const { return scheduler_.spans(); }
  void clear_trace() { scheduler_.clear_spans(); }

  [[nodiscard]] std::size_t device_bytes_used() const { return pool_->used(emulated::memory_place::device); }
  [[nodiscard]] std::size_t pinned_bytes_used() const { return pool_->used(emulated::memory_place::pinned); }

  /// Lets the next copy, batch or copy kernel but `after` fail: it has no effect and breaks the device for good.
  void fail_next_copy(std::uint64_t after = 0) { work_.faults().fail(after); }
  /// Refuses (copy_refused) the next copy, batch or copy kernel but `after`, and so many in a row. Nothing else changes.
  void refuse_next_copy(std::uint64_t after = 0, std::uint64_t count = 1) { work_.faults().refuse(after, count); }
  /// Lets the next copy, batch or copy kernel but `after` take so much longer; its link is held as long. A second call
  /// replaces one that has not struck yet.
  void delay_next_copy(double seconds, std::uint64_t after = 0)
  {
    emulated::require_seconds("delay_next_copy", "", seconds);
    work_.faults().delay(seconds, after);
  }

  [[nodiscard]] const emulated_device_config& config() const noexcept { return config_; }

 private:
  emulated_device_config config_;
  emulated::checked_queues queues_;
  emulated::scheduler& scheduler_;
  std::shared_ptr<emulated::memory_pool> pool_;
  emulated::counted_work work_;
};

static_assert(device<emulated_device>);
static_assert(batches_copies<emulated_device> && runs_copy_kernels<emulated_device> && keeps_spans<emulated_device>);

}  // namespace kvstrata
