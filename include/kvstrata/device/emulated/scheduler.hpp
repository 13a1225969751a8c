// What the two ways of passing time have in common: streams are queues, an event is a place in one.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/sticky_failure.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::emulated {

using detail::sticky_failure;

/// Carries out what streams are given, each in order. All calls may come from several threads. Streams and events
/// are valid: the device has checked them.
class scheduler
{
 public:
  virtual ~scheduler() = default;

  /// Finishes all queued work and ends all threads. The last call but for queries; repeating it does nothing.
  virtual void drain() noexcept = 0;

  virtual stream_id create_stream(std::string_view name) = 0;
  [[nodiscard]] virtual std::uint32_t streams() const = 0;
  [[nodiscard]] virtual std::string stream_name(stream_id stream) const = 0;

  /// Queues an operation and returns its place on the stream: 1, 2, 3, ... When it throws, nothing is queued.
  virtual std::uint64_t enqueue(stream_id stream, operation work) = 0;
  /// The place of the last operation queued on the stream; 0 when there is none.
  [[nodiscard]] virtual std::uint64_t enqueued(stream_id stream) const = 0;
  /// Has everything up to the event been done by now?
  virtual bool query(event point) = 0;
  /// As query, but does not let anything happen.
  [[nodiscard]] virtual bool has_passed(event point) const = 0;
  /// Waits for the event. Seconds the host waited; empty when the event was complete already.
  virtual std::optional<double> wait_sync(event point) = 0;

  [[nodiscard]] virtual double now() const = 0;
  /// Lets the host spend time. Only in virtual time.
  virtual void advance_host(double seconds) = 0;

  [[nodiscard]] virtual std::vector<device_counters::stream> stream_counters() const = 0;
  [[nodiscard]] virtual std::vector<op_span> spans() const = 0;
  virtual void clear_spans() = 0;

  sticky_failure failure;

 protected:
  /// What an operation is called in a trace; empty where memory has run out.
  [[nodiscard]] static std::string kept_label(const operation& work) noexcept
  {
    try {
      return std::string(work.label());
    } catch (...) {
      return {};
    }
  }

  /// Gives an operation its effect, unless the device has failed or fails now. Never throws.
  void carry_out(operation& work, std::string_view stream_name, bool data) noexcept
  {
    try {
      if (work.fails) {
        const bool named = work.kind == operation_kind::copy_kernel && work.label() != name_of(work.kind);
        failure.set(std::string(name_of(work.kind)) + (named ? " '" + std::string(work.label()) + "'" : "") + " of " +
                    std::to_string(work.bytes) + " bytes on stream '" + std::string(stream_name) +
                    "' failed: the failure was injected");
      } else if (data && !failure.any()) {
        work.carry_out();
      }
    } catch (const std::exception& thrown) {
      fail(work, stream_name, thrown.what());
    } catch (...) {
      fail(work, stream_name, "it threw something that is no exception");
    }
    work.work.reset();  // what a kernel holds is gone by the time its event comes to pass
  }

 private:
  void fail(const operation& work, std::string_view stream_name, std::string_view why) noexcept
  {
    try {
      failure.set("kernel '" + std::string(work.label()) + "' on stream '" + std::string(stream_name) +
                  "' failed: " + std::string(why));
    } catch (...) {
      failure.set({});
    }
  }
};

}  // namespace kvstrata::emulated
