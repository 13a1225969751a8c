// Calls that are never right, and the sentences they earn.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/misuse.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::emulated {

/// Throws usage_error when the stream is not one of the scheduler's.
inline void require(const scheduler& queues, stream_id stream) { detail::require_stream(queues, stream); }

/// Throws usage_error when nothing has been queued at the event's place.
inline void require(const scheduler& queues, event point)
{
  if (point.sequence == 0) return;
  require(queues, point.stream);
  detail::require_recorded(queues, point, queues.enqueued(point.stream), "operation queued");
}

using detail::require_bytes;

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
