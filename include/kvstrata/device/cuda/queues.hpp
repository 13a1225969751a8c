// The streams of a CUDA device: their points, what is queued on them, the trace of it, and the first failure of all that.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/cuda/clock.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/lane.hpp>
#include <kvstrata/device/misuse.hpp>
#include <kvstrata/device/span.hpp>
#include <kvstrata/device/sticky_failure.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::cuda {

/// What is known of an operation before it runs.
struct work
{
  operation_kind kind = operation_kind::kernel;
  std::string_view label;
  std::size_t bytes = 0;
  std::size_t pieces = 0;
};

/// "copy to device of 16 bytes on stream 'onload'".
[[nodiscard]] inline std::string name_of(const work& what, const lane& s)
{
  std::string text(kvstrata::name_of(what.kind));
  if (!what.label.empty()) text += " '" + std::string(what.label) + "'";
  if (what.kind != operation_kind::kernel) text += " of " + std::to_string(what.bytes) + " bytes";
  return text + " on stream '" + s.name + "'";
}

/// All calls may come from several threads. Each makes the GPU current where the runtime wants that.
class queues
{
 public:
  queues(int ordinal, bool trace) : ordinal_(ordinal), trace_(trace)
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

  /// Blocks until all queued work is done.
  ~queues()
  {
    const current_device here(ordinal_);
    for (std::uint32_t i = 0; i < lanes_.streams(); ++i) {
      if (!lanes_.at(stream_id{i}).stream.drain()) forget_error();
    }
  }

  [[nodiscard]] const lanes& all() const noexcept { return lanes_; }
  [[nodiscard]] double now() const noexcept { return clock_.now(); }

  /// Throws usage_error for a stream that is not one of these.
  [[nodiscard]] lane& at(stream_id stream) const
  {
    kvstrata::detail::require_stream(lanes_, stream);
    return lanes_.at(stream);
  }

  /// Throws the first failure when this call failed: it is that, or comes after it.
  template <class Name>
  void require(const call_result& result, Name&& name)
  {
    if (result) return;
    forget_error();
    failure_.set(sentence_of(result, name()));
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

  [[nodiscard]] event record(stream_id stream)
  {
    lane& s = at(stream);
    failure_.check();
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
    lane& waiter = at(stream);
    require_recorded(point);
    failure_.check();
    if (point.sequence == 0 || point.stream == stream) return;
    lane& awaited = lanes_.at(point.stream);
    bool queued = false;
    const current_device here(ordinal_);
    call_result result = here.result();
    if (result) result = awaited.line.let_wait(point.sequence, waiter.stream.get(), queued);
    require(result, [&] { return "letting stream '" + waiter.name + "' wait for stream '" + awaited.name + "'"; });
    if (queued) waiter.line.advance();
  }

  [[nodiscard]] bool query(event point)
  {
    require_recorded(point);
    failure_.check();
    if (point.sequence == 0) return true;
    lane& s = lanes_.at(point.stream);
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
    bool waited = false;
    require(s.line.wait_sync(point.sequence, waited), [&] { return "waiting for stream '" + s.name + "'"; });
    return waited ? std::optional<double>(now() - begin) : std::nullopt;
  }

  /// Calls call() -> call_result, which queues the operation, between two marks of the trace.
  template <class Call>
  void queue(lane& s, const work& what, Call&& call)
  {
    failure_.check();
    const current_device here(ordinal_);
    cudaEvent_t began = nullptr;
    call_result result = here.result();
    if (trace_ && result) {
      const std::lock_guard lock(s.queueing);
      result = s.spans.begin(s.stream.get(), began);
    }
    try {
      if (result) result = call();
    } catch (...) {
      s.line.advance();
      forget_span(s, began);
      throw;
    }
    s.line.advance();  // whatever came of it: a part of it may be queued
    if (!result) forget_span(s, began);
    else if (began != nullptr) result = end_span(s, began, what);
    require(result, [&] { return name_of(what, s); });
  }

  /// Spans of what is over, in the order of ending.
  [[nodiscard]] std::vector<op_span> spans() const
  {
    harvest_all();
    const std::lock_guard lock(keeping_);
    std::vector<op_span> out = spans_;
    std::stable_sort(out.begin(), out.end(), [](const op_span& a, const op_span& b) { return a.end < b.end; });
    return out;
  }
  void clear_spans()
  {
    harvest_all();
    const std::lock_guard lock(keeping_);
    spans_.clear();
  }

 private:
  void require_recorded(event point) const
  {
    if (point.sequence == 0) return;
    kvstrata::detail::require_recorded(lanes_, point, at(point.stream).line.last(), "point recorded");
  }

  void forget_span(lane& s, cudaEvent_t began) noexcept
  {
    if (began == nullptr) return;
    const std::lock_guard lock(s.queueing);
    s.spans.cancel(began);
  }

  [[nodiscard]] call_result end_span(lane& s, cudaEvent_t began, const work& what)
  {
    const std::string_view label = what.label.empty() ? kvstrata::name_of(what.kind) : what.label;
    op_span span{s.id, s.name, std::string(label), what.kind, 0, 0, what.bytes, what.pieces};
    const std::lock_guard lock(s.queueing);
    const call_result result = s.spans.end(s.stream.get(), began, std::move(span));
    if (result) harvest(s, 2);  // one comes, two may go
    return result;
  }

  /// Takes over spans of what is over; s.queueing is held. What the runtime does not tell is left out.
  void harvest(lane& s, std::size_t most) const
  {
    const call_result result = s.spans.harvest(most, [&](op_span&& over) {
      s.busy_seconds += over.end - over.begin;
      const std::lock_guard lock(keeping_);
      spans_.push_back(std::move(over));
    });
    if (!result) forget_error();
  }
  void harvest_all() const
  {
    for (std::uint32_t i = 0; i < lanes_.streams(); ++i) {
      lane& s = lanes_.at(stream_id{i});
      const std::lock_guard lock(s.queueing);
      harvest(s, (std::numeric_limits<std::size_t>::max)());
    }
  }

  int ordinal_;
  bool trace_;
  device_clock clock_;
  kvstrata::detail::sticky_failure failure_;
  lanes lanes_;
  mutable std::mutex keeping_;
  mutable std::vector<op_span> spans_;
};

}  // namespace kvstrata::cuda
