// What the two ways of passing time have in common: streams are queues, an event is a place in one.
#pragma once

#include <kvstrata/device/emulated/carry_out.hpp>
#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/sticky_failure.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Carries out what streams are given, each in order, and keeps what the host promises on host streams. All calls may come
/// from several threads. Streams and events are valid: the device has checked them.
class scheduler
{
 public:
  virtual ~scheduler() = default;

  /// Completes what is still promised, finishes all queued work and ends all threads. The last call but for queries;
  /// repeating it does nothing.
  virtual void drain() noexcept = 0;

  virtual stream_id create_stream(std::string_view name) = 0;
  virtual stream_id create_host_stream(std::string_view name) = 0;
  [[nodiscard]] virtual std::uint32_t streams() const = 0;
  [[nodiscard]] virtual std::string stream_name(stream_id stream) const = 0;
  [[nodiscard]] virtual bool is_host_stream(stream_id stream) const = 0;

  /// Queues an operation and returns its place on the stream: 1, 2, 3, ... When it throws, nothing is queued; usage_error
  /// on a host stream.
  virtual std::uint64_t enqueue(stream_id stream, operation work) = 0;
  /// A new point of a host stream, and its place. Throws usage_error on another stream.
  virtual std::uint64_t promise(stream_id stream, const fence& ready) = 0;
  /// Throws usage_error when the point is of no host stream, not open, or its I/O could not yet begin.
  virtual void complete(event point) = 0;
  /// Virtual time: runs `io` and completes the point `seconds` after its I/O could begin. Throws as complete does.
  virtual void complete_later(event point, double seconds, std::unique_ptr<task> io) = 0;

  /// The place of the last operation or promise on the stream; 0 when there is none.
  [[nodiscard]] virtual std::uint64_t enqueued(stream_id stream) const = 0;
  /// Has everything up to the event been done by now?
  virtual bool query(event point) = 0;
  /// As query, but does not let anything happen.
  [[nodiscard]] virtual bool has_passed(event point) const = 0;
  /// Waits for the event. Seconds the host waited; empty when the event was complete already. Throws usage_error when the
  /// event hangs on a promise that is not kept.
  virtual std::optional<double> wait_sync(event point) = 0;

  /// Virtual time: lets time pass until one of the events has come to pass, not beyond `until`. Its index; empty where
  /// time is over first, or nothing is going to happen.
  virtual std::optional<std::size_t> wait_any(std::span<const event> points, double until) = 0;

  [[nodiscard]] virtual double now() const = 0;
  /// Lets the host spend time. Only in virtual time.
  virtual void advance_host(double seconds) = 0;

  [[nodiscard]] virtual std::vector<device_counters::stream> stream_counters() const = 0;
  [[nodiscard]] virtual std::vector<op_span> spans() const = 0;
  virtual void clear_spans() = 0;

  sticky_failure failure;
};

}  // namespace kvstrata::emulated
