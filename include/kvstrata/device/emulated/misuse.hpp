// Calls that are never right, and the sentences they earn.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::emulated {

/// Throws usage_error when the stream is not one of the scheduler's.
inline void require(const scheduler& queues, stream_id stream)
{
  const std::uint32_t count = queues.streams();
  if (static_cast<std::uint32_t>(stream) < count) return;
  throw usage_error("stream " + std::to_string(static_cast<std::uint32_t>(stream)) + " is unknown: this device has " +
                    std::to_string(count) + (count == 1 ? " stream" : " streams"));
}

/// Throws usage_error when nothing has been queued at the event's place.
inline void require(const scheduler& queues, event point)
{
  if (point.sequence == 0) return;
  require(queues, point.stream);
  const std::uint64_t last = queues.enqueued(point.stream);
  if (point.sequence <= last) return;
  throw usage_error("event " + std::to_string(point.sequence) + " of stream '" + queues.stream_name(point.stream) +
                    "' was never recorded: the last operation queued there is number " + std::to_string(last));
}

/// Throws usage_error when an address is null or there are no bytes.
inline void require_bytes(const scheduler& queues, std::string_view what, stream_id stream, bool addressed,
                          std::size_t bytes)
{
  if (addressed && bytes != 0) return;
  throw usage_error(std::string(what) + " of " + std::to_string(bytes) + " bytes on stream '" +
                    queues.stream_name(stream) + "': " + (addressed ? "it has no bytes" : "an address is null"));
}

/// Throws usage_error when a time is negative or not finite. `what` is called `name`, unless that is empty.
inline void require_seconds(std::string_view what, std::string_view name, double seconds)
{
  if (seconds >= 0 && std::isfinite(seconds)) return;
  throw usage_error(std::string(what) + (name.empty() ? "" : " '" + std::string(name) + "'") + " was given " +
                    std::to_string(seconds) + " seconds, but it must be " + (seconds > 0 ? "finite" : "at least 0"));
}

}  // namespace kvstrata::emulated
