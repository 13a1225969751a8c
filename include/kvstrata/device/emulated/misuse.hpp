// Calls that are never right, and the sentences they earn.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/misuse.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Throws usage_error when the stream is not one of the scheduler's.
inline void require(const scheduler& queues, stream_id stream) { detail::require_stream(queues, stream); }

/// Throws usage_error when nothing has been queued at the event's place.
inline void require(const scheduler& queues, event point)
{
  if (point.sequence == 0) return;
  require(queues, point.stream);
  const std::uint64_t last = queues.enqueued(point.stream);
  if (point.sequence <= last) return;
  detail::require_recorded(queues, point, last, queues.is_host_stream(point.stream) ? "promise" : "operation queued");
}

using detail::require_bytes;

/// The host waits for an event that hangs on a promise: `open` is the oldest point that nobody has completed.
[[noreturn]] inline void give_up_waiting(event awaited, std::string_view stream_name, event open,
                                         std::string_view host_stream_name, std::string_view why)
{
  throw usage_error("the host waits for event " + std::to_string(awaited.sequence) + " of stream '" +
                    std::string(stream_name) + "', but event " + std::to_string(open.sequence) + " of host stream '" +
                    std::string(host_stream_name) + "' is not completed: " + std::string(why));
}

/// The point was completed although `ready` of its I/O has not come to pass.
[[noreturn]] inline void turn_down_early(event point, std::string_view host_stream_name, event ready,
                                         std::string_view stream_name)
{
  throw usage_error("event " + std::to_string(point.sequence) + " of host stream '" + std::string(host_stream_name) +
                    "' was completed before event " + std::to_string(ready.sequence) + " of stream '" +
                    std::string(stream_name) + "', which its I/O is to wait for, had come to pass");
}

/// Throws usage_error when a time is negative, longer than longest_seconds or not finite. `what` is called `name`, unless
/// that is empty.
inline void require_seconds(std::string_view what, std::string_view name, double seconds)
{
  if (seconds >= 0 && seconds <= longest_seconds) return;
  throw usage_error(std::string(what) + (name.empty() ? "" : " '" + std::string(name) + "'") + " was given " +
                    std::to_string(seconds) + " seconds, but it must be " +
                    (seconds > 0 ? "at most 1000000000" : "at least 0"));
}

}  // namespace kvstrata::emulated
