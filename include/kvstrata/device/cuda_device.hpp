// An NVIDIA GPU: memory, non-blocking streams, events, batched copies, copy kernels, through the CUDA runtime.
//
// Any compiler translates this with the toolkit's folder of headers; it is not part of kvstrata.hpp. A program needs one .cu
// that includes <kvstrata/cuda.cuh>: copy kernels (of staged_copy, window_copy and kernel_copy) are compiled there.
//
// A call that the runtime turns down fails the device for good: the first failure's sentence is thrown then and by every
// later call that queues, records or waits. Memory that cannot be had is no failure, nor is a copy that the runtime does not
// take for reasons of that call alone (cuda/error.hpp): copy_refused. Destructors never throw, whatever
// state the runtime is in: after a failure, or while the process ends.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/counted_work.hpp>
#include <kvstrata/device/cuda/counters.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/gpu.hpp>
#include <kvstrata/device/cuda/memory_book.hpp>
#include <kvstrata/device/cuda/pinned_memory.hpp>
#include <kvstrata/device/cuda/probe.hpp>
#include <kvstrata/device/cuda/queues.hpp>
#include <kvstrata/device/misuse.hpp>
#include <kvstrata/device/span.hpp>

#include <cuda_runtime_api.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All calls may come from several threads; the calling thread's current GPU is left as it was. Misuse (an unknown stream,
/// an event that was never recorded, null, empty or overlapping copies, a copy whose device end is no device memory)
/// throws usage_error and changes nothing. What CUDA asks of a process stands in cuda/config.hpp.
class cuda_device
{
 public:
  using memory = cuda::memory;
  using counters = cuda_device_counters;

  /// What a kernel is called in traces and messages.
  struct kernel
  {
    std::string_view label;
  };

  /// Throws device_error when no GPU can be used, config_error when the configuration is nonsense.
  explicit cuda_device(cuda_device_config config = {})
      : config_(config),
        gpu_(cuda::open_gpu(config)),
        book_(std::make_shared<cuda::memory_book>(config)),
        queues_(config_, gpu_),
        work_(config_, gpu_, queues_, book_)
  {
  }

  cuda_device(const cuda_device&) = delete;  // streams and memory refer to it
  cuda_device& operator=(const cuda_device&) = delete;

  /// Blocks the host until all queued work is done. Memory that lives on stays valid.
  ~cuda_device() = default;

  // --- the concept ------------------------------------------------------------------------------------------------

  /// Throws capacity_error beyond the bound or where the GPU has no room, usage_error for 0 bytes. Not zeroed.
  [[nodiscard]] memory allocate_device(std::size_t bytes, std::string_view name)
  {
    const auto make = [&](auto& region) {
      const cuda::call_result result = region.device.open(gpu_, bytes, name);
      queues_.require(result, [&] { return "allocating " + detail::name_of(detail::memory_place::device, name); });
      return region.device.data();
    };
    return {book_, book_->allocate(detail::memory_place::device, bytes, name, make), bytes};
  }

  /// Throws capacity_error beyond the bound or where the host has no room, usage_error for 0 bytes. Any GPU of the process
  /// may copy from and to it; copy kernels use their device's only. Large memory takes a while: last_pinned_report().
  [[nodiscard]] memory allocate_pinned(std::size_t bytes, std::string_view name)
  {
    pinned_report report;
    report.name = name;
    const auto make = [&](auto& region) {
      const cuda::call_result result = region.pinned.open(gpu_, bytes, config_, report);
      queues_.require(result, [&] { return "allocating " + detail::name_of(detail::memory_place::pinned, name); });
      return region.pinned.data();
    };
    std::byte* const data = book_->allocate(detail::memory_place::pinned, bytes, name, make);
    memory fresh{book_, data, bytes};
    const std::lock_guard lock(reporting_);
    last_pinned_ = std::move(report);
    return fresh;
  }

  /// A non-blocking stream. Throws capacity_error from the 257th on.
  [[nodiscard]] stream_id create_stream(std::string_view name) { return queues_.create(name, false); }
  /// The same, with the highest priority the GPU knows.
  [[nodiscard]] stream_id create_urgent_stream(std::string_view name) { return queues_.create(name, true); }

  /// The same point as before when nothing has been queued since, unless native() gave the stream away. O(1).
  [[nodiscard]] event record(stream_id stream) { return queues_.record(stream); }

  /// Queues nothing for a point that has been seen to pass, or of the stream itself. O(1).
  void wait(stream_id stream, event point) { queues_.wait(stream, point); }

  /// O(1) over time.
  [[nodiscard]] bool query(event point) { return queues_.query(point); }

  void wait_sync(event point)
  {
    const std::optional<double> waited = queues_.wait_sync(point);
    if (!waited) return;
    work_.count([&](device_counters& all) {
      ++all.host_waits;
      all.host_wait_seconds += *waited;
    });
  }

  /// The device's end must lie within one device allocation; the host's end may be any memory. Where it is not pinned, the
  /// call may block until bytes have been taken over or delivered. Copies on the host are a host function's: none blocks.
  void copy(stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    const copy_piece piece{dst, src, bytes};
    work_.copy(stream, {detail::kind_of(direction), detail::route_of(direction), {}, 0, true}, {&piece, 1});
  }

  /// cudaMemcpyBatchAsync, at most config.batch_pieces pieces a call; where the runtime or the driver has no such call,
  /// cudaMemcpyAsync for each piece. Every piece as in copy.
  void copy_batch(stream_id stream, copy_direction direction, std::span<const copy_piece> pieces)
  {
    work_.copy(stream, {detail::kind_of(direction), detail::route_of(direction), {}, 0, false}, pieces);
  }

  /// One kernel that moves all pieces (several in a row for long lists). Device ends must lie within one device allocation
  /// each, host ends within one pinned allocation each. O(pieces).
  void copy_kernel_launch(stream_id stream, const copy_kernel& what, std::span<const copy_piece> pieces)
  {
    work_.copy(stream, {operation_kind::copy_kernel, what.route, what.label, what.sms, false}, pieces);
  }

  /// What levels of this device's caches make their coders.
  template <list_coder Coder>
  using code_of = cuda::gpu_code_of<Coder>;

  /// As copy_kernel_launch, of pieces of which an end is encoded, by a code of this device's; with copy_route::on_host a host
  /// function.
  void code_kernel_launch(stream_id stream, const copy_kernel& what, coding how, std::span<const coded_piece> pieces)
  {
    work_.code(stream, detail::code_call_of(what), how, pieces);
  }

  // --- host streams -----------------------------------------------------------------------------------------------

  /// The first takes 16 KiB of pinned memory, beyond the bound. Throws capacity_error from the 257th stream on.
  [[nodiscard]] stream_id create_host_stream(std::string_view name) { return queues_.create_host(name); }
  /// `io` is not looked at, but for `io.ready`, whose points must have been recorded.
  [[nodiscard]] event promise(stream_id stream, const host_io& io = {}) { return queues_.promise(stream, io.ready); }
  /// Calls nothing of the runtime's: it works whatever state that is in.
  void complete(event point) { queues_.complete(point); }
  /// Why the GPU or its driver cannot let streams wait for a word in pinned memory. Where it can: cuda/config.hpp says what
  /// must not be done while they do.
  [[nodiscard]] std::string_view why_no_host_waits() const noexcept { return gpu_.let_wait.why_not(); }

  // --- kernels ----------------------------------------------------------------------------------------------------

  /// Calls queue(cudaStream_t) at once, on the calling thread, with the GPU current: what it queues there is one kernel in
  /// the trace. Then asks the runtime for the thread's last error, and throws device_error for one. When queue throws, what
  /// it has queued stays queued. It must not queue copies or kernels on this stream through the device.
  template <class Queue>
    requires std::invocable<Queue, cudaStream_t>
  void launch(stream_id stream, const kernel& what, Queue&& queue)
  {
    cuda::lane& s = queues_.at(stream, operation_kind::kernel);
    queues_.queue(s, {operation_kind::kernel, what.label, 0, 0}, [&] {
      cuda::forget_error();  // what others left on this thread
      std::forward<Queue>(queue)(s.stream.get());
      const cudaError_t code = cudaGetLastError();
      return cuda::call_result{code == cudaErrorNotReady ? cudaSuccess : code, "cudaGetLastError"};
    });
    work_.count([](device_counters& all) { ++all.kernels; });
  }

  /// Queues setting `bytes` bytes of this device's memory, device or pinned; does not block.
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

  /// The runtime's stream, for libraries that want one. From now on every record() of it makes a point of its own, as the
  /// device cannot see what others queue there.
  [[nodiscard]] cudaStream_t native(stream_id stream)
  {
    cuda::lane& s = queues_.at(stream, operation_kind::kernel);
    s.shared.store(true, std::memory_order_release);
    return s.stream.get();
  }

  // --- what went on -----------------------------------------------------------------------------------------------

  /// Seconds since construction, of the host's clock.
  [[nodiscard]] double now() const noexcept { return queues_.now(); }

  /// Spans of the operations that are over, in the order of ending, when `trace` is on, in seconds of now(): the GPU's
  /// times, set beside the host's when the device was made. Waits leave none. O(n log n).
  [[nodiscard]] std::vector<op_span> trace() const { return queues_.spans(); }
  /// Forgets what trace() would return now.
  void clear_trace() { queues_.clear_spans(); }

  [[nodiscard]] counters stats() const
  {
    counters out = work_.counters();
    queues_.add_to(out);
    return out;
  }

  /// How the last allocate_pinned that brought memory went.
  [[nodiscard]] pinned_report last_pinned_report() const
  {
    const std::lock_guard lock(reporting_);
    return last_pinned_;
  }

  [[nodiscard]] std::size_t device_bytes_used() const { return book_->used(detail::memory_place::device); }
  [[nodiscard]] std::size_t pinned_bytes_used() const { return book_->used(detail::memory_place::pinned); }

  /// What the GPU is.
  [[nodiscard]] const cuda::gpu& gpu() const noexcept { return gpu_; }
  [[nodiscard]] const cuda_device_config& config() const noexcept { return config_; }

 private:
  cuda_device_config config_;
  cuda::gpu gpu_;
  std::shared_ptr<cuda::memory_book> book_;
  cuda::queues queues_;
  cuda::counted_work work_;
  mutable std::mutex reporting_;  // last_pinned_
  pinned_report last_pinned_;
};

static_assert(device<cuda_device>);
static_assert(host_stream_device<cuda_device>);
static_assert(batches_copies<cuda_device> && runs_copy_kernels<cuda_device> && keeps_spans<cuda_device>);

}  // namespace kvstrata
