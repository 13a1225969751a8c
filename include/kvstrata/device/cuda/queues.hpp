// The streams of a CUDA device: their points, what is queued on them, the trace of it, and the first failure of all that.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/cuda/clock.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/counters.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/gpu.hpp>
#include <kvstrata/device/cuda/host_lane.hpp>
#include <kvstrata/device/cuda/lane.hpp>
#include <kvstrata/device/cuda/span_keeper.hpp>
#include <kvstrata/device/cuda/work.hpp>
#include <kvstrata/device/misuse.hpp>
#include <kvstrata/device/span.hpp>
#include <kvstrata/device/sticky_failure.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// All calls may come from several threads. Each makes the GPU current where the runtime wants that.
class queues
{
 public:
  /// Both outlive it.
  queues(const cuda_device_config& config, const gpu& g)
      : config_(config), gpu_(g), ordinal_(config.ordinal), trace_(config.trace)
  {
    if (!trace_) return;
    const current_device here(ordinal_);
    call_result result = here.result();
    owned_stream idle;
    if (result) result = idle.open(false);
    if (result) result = clock_.calibrate(idle.get());
    require(result, [] { return std::string("preparing the trace"); });
  }
  queues(const queues&) = delete;
  queues& operator=(const queues&) = delete;

  /// Completes what is still promised, and blocks until all queued work is done.
  ~queues()
  {
    const current_device here(ordinal_);
    for (std::uint32_t i = 0; i < lanes_.streams(); ++i) {
      if (host_lane* const host = lanes_.at(stream_id{i}).host.get()) host->complete_all();
    }
    for (std::uint32_t i = 0; i < lanes_.streams(); ++i) {
      const lane& s = lanes_.at(stream_id{i});
      if (s.host == nullptr && !s.stream.drain()) forget_error();
    }
  }

  [[nodiscard]] const lanes& all() const noexcept { return lanes_; }
  [[nodiscard]] double now() const noexcept { return clock_.now(); }

  /// The stream on which work of the kind `what` is to be queued. Throws usage_error when it is none of these, or a host
  /// stream.
  [[nodiscard]] lane& at(stream_id stream, operation_kind what) const
  {
    lane& s = any(stream);
    if (s.host != nullptr) kvstrata::detail::turn_down_work(kvstrata::name_of(what), s.name);
    return s;
  }

  /// Throws the first failure when this call failed: it is that, or comes after it.
  template <class Name>
  void require(const call_result& result, Name&& name)
  {
    if (result) return;
    forget_error();
    failure_.set(sentence_of(result, name()), what_to_do(result.code));
    failure_.check();
  }

  [[nodiscard]] stream_id create(std::string_view name, bool urgent)
  {
    failure_.check();
    return lanes_.add(name, clock_.anchor(), [&](lane& fresh) {
      const current_device here(ordinal_);
      call_result result = here.result();
      if (result) result = fresh.stream.open(urgent);
      require(result, [&] { return "creating stream '" + fresh.name + "'"; });
    });
  }

  [[nodiscard]] stream_id create_host(std::string_view name)
  {
    failure_.check();
    return lanes_.add(name, clock_.anchor(), [&](lane& fresh) {
      if (!words_.opened()) {
        const call_result result = words_.open(gpu_, lanes::most, config_);
        require(result, [&] { return "creating host stream '" + fresh.name + "'"; });
      }
      fresh.host = std::make_unique<host_lane>(words_.at(static_cast<std::size_t>(fresh.id)));
    });
  }
  [[nodiscard]] event promise(stream_id stream, const fence& ready)
  {
    host_lane& s = host(stream);
    for (const event point : ready) require_recorded(point);
    failure_.check();
    return {stream, s.promise()};
  }
  void complete(event point)
  {
    require_recorded(point);
    host(point.stream).complete(point, lanes_.stream_name(point.stream));
  }

  [[nodiscard]] event record(stream_id stream)
  {
    lane& s = any(stream);
    failure_.check();
    if (s.host != nullptr) return {stream, s.host->promised()};
    if (s.shared.load(std::memory_order_acquire)) s.line.advance();
    const current_device here(ordinal_);
    std::uint64_t sequence = 0;
    call_result result = here.result();
    if (result) result = s.line.record(s.stream.get(), sequence);
    require(result, [&] { return "recording a point of stream '" + s.name + "'"; });
    return {stream, sequence};
  }

  void wait(stream_id stream, event point)
  {
    lane& waiter = any(stream);
    require_recorded(point);
    failure_.check();
    if (point.sequence == 0 || point.stream == stream) return;
    if (waiter.host != nullptr) kvstrata::detail::turn_down_work(kvstrata::name_of(operation_kind::wait), waiter.name);
    lane& awaited = lanes_.at(point.stream);
    bool queued = false;
    const current_device here(ordinal_);
    call_result result = here.result();
    if (result) result = let_wait(waiter, awaited, point.sequence, queued);
    require(result, [&] { return "letting stream '" + waiter.name + "' wait for stream '" + awaited.name + "'"; });
    if (queued) waiter.line.advance();
  }

  [[nodiscard]] bool query(event point)
  {
    require_recorded(point);
    failure_.check();
    if (point.sequence == 0) return true;
    lane& s = lanes_.at(point.stream);
    if (s.host != nullptr) return s.host->has_passed(point.sequence);
    bool passed = false;
    require(s.line.query(point.sequence, passed), [&] { return "asking after stream '" + s.name + "'"; });
    return passed;
  }

  /// Seconds the host waited; empty when the point had passed already.
  std::optional<double> wait_sync(event point)
  {
    require_recorded(point);
    failure_.check();
    if (point.sequence == 0) return std::nullopt;
    lane& s = lanes_.at(point.stream);
    const double begin = now();
    bool waited = s.host != nullptr && s.host->wait_sync(point.sequence);
    if (s.host == nullptr)
      require(s.line.wait_sync(point.sequence, waited), [&] { return "waiting for stream '" + s.name + "'"; });
    return waited ? std::optional<double>(now() - begin) : std::nullopt;
  }

  /// Calls call() -> call_result, which queues the operation, between two marks of the trace. Throws copy_refused for a copy
  /// that the runtime turns down and works on; of several pieces some may be queued.
  template <class Call>
  void queue(lane& s, const work& what, Call&& call)
  {
    failure_.check();
    const current_device here(ordinal_);
    cudaEvent_t began = nullptr;
    call_result result = here.result();
    if (trace_ && result) result = spans_.begin(s, began);
    try {
      if (result) result = call();
    } catch (...) {
      s.line.advance();
      spans_.forget(s, began);
      throw;
    }
    s.line.advance();  // whatever came of it: a part of it may be queued
    if (!result) spans_.forget(s, began);
    else if (began != nullptr) result = spans_.end(s, began, what);
    if (what.is_copy() && is_refusal(result.code)) {
      forget_error();
      throw copy_refused(sentence_of(result, name_of(what, s)));
    }
    require(result, [&] { return name_of(what, s); });
  }

  void add_to(cuda_device_counters& out) const
  {
    for (std::uint32_t i = 0; i < lanes_.streams(); ++i) {
      lane& s = lanes_.at(stream_id{i});
      out.events += s.line.events();
      const std::lock_guard lock(s.queueing);
      out.streams.push_back({s.name, s.busy_seconds, 0});
    }
  }

  /// Spans of what is over, in the order of ending.
  [[nodiscard]] std::vector<op_span> spans() const { return spans_.all(lanes_); }
  void clear_spans() { spans_.clear(lanes_); }

 private:
  /// Throws usage_error for a stream that is not one of these.
  [[nodiscard]] lane& any(stream_id stream) const
  {
    kvstrata::detail::require_stream(lanes_, stream);
    return lanes_.at(stream);
  }
  [[nodiscard]] host_lane& host(stream_id stream) const
  {
    lane& s = any(stream);
    if (s.host == nullptr) kvstrata::detail::turn_down_promise(s.name);
    return *s.host;
  }

  /// Makes one stream wait for a point of another, unless that has passed; `queued` tells.
  [[nodiscard]] call_result let_wait(const lane& waiter, lane& awaited, std::uint64_t point, bool& queued)
  {
    if (awaited.host == nullptr) return awaited.line.let_wait(point, waiter.stream.get(), queued);
    if (awaited.host->has_passed(point)) return {};
    if (const std::string& why = gpu_.let_wait.why_not(); !why.empty()) {
      throw usage_error("stream '" + waiter.name + "' cannot wait for host stream '" + awaited.name + "': " + why);
    }
    const call_result result = gpu_.let_wait(waiter.stream.get(), awaited.host->word(), point);
    queued = static_cast<bool>(result);
    return result;
  }

  void require_recorded(event point) const
  {
    if (point.sequence == 0) return;
    const bool promised = any(point.stream).host != nullptr;
    kvstrata::detail::require_recorded(lanes_, point, lanes_.last_point(point.stream),
                                       promised ? "promise" : "point recorded");
  }

  const cuda_device_config& config_;
  const gpu& gpu_;
  int ordinal_;
  bool trace_;
  device_clock clock_;
  kvstrata::detail::sticky_failure failure_;
  pinned_words words_;  // from the first host stream on; streams may wait for them until they are drained
  lanes lanes_;
  span_keeper spans_;
};

}  // namespace kvstrata::cuda
