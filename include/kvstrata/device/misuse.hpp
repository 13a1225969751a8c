// Calls that are never right on any device, and the sentences they earn. `queues` knows its streams: `streams()`, how many
// there are, and `stream_name(stream)`.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/host_line.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Throws usage_error when the stream is not one of the device's.
template <class Queues>
void require_stream(const Queues& queues, stream_id stream)
{
  const std::uint32_t count = queues.streams();
  if (static_cast<std::uint32_t>(stream) < count) return;
  throw usage_error("stream " + std::to_string(static_cast<std::uint32_t>(stream)) + " is unknown: this device has " +
                    std::to_string(count) + (count == 1 ? " stream" : " streams"));
}

/// Throws usage_error when the stream's `last` place, of what `kind` says, lies before the event.
template <class Queues>
void require_recorded(const Queues& queues, event point, std::uint64_t last, std::string_view kind)
{
  if (point.sequence <= last) return;
  throw usage_error("event " + std::to_string(point.sequence) + " of stream '" +
                    std::string(queues.stream_name(point.stream)) + "' was never recorded: the last " +
                    std::string(kind) + " there is number " + std::to_string(last));
}

/// Throws usage_error when an address is null or there are no bytes.
template <class Queues>
void require_bytes(const Queues& queues, std::string_view what, stream_id stream, bool addressed, std::size_t bytes)
{
  if (addressed && bytes != 0) return;
  throw usage_error(std::string(what) + " of " + std::to_string(bytes) + " bytes on stream '" +
                    std::string(queues.stream_name(stream)) +
                    "': " + (addressed ? "it has no bytes" : "an address is null"));
}

/// Work of the kind `what` was to be queued on a host stream.
[[noreturn]] inline void turn_down_work(std::string_view what, std::string_view stream_name)
{
  throw usage_error(std::string(what) + " on stream '" + std::string(stream_name) +
                    "': it is a host stream, which carries out no work and waits for nothing");
}

/// A promise was to be made, or kept, on a stream that carries out work.
[[noreturn]] inline void turn_down_promise(std::string_view stream_name)
{
  throw usage_error("stream '" + std::string(stream_name) +
                    "' is no host stream: nothing can be promised or completed there");
}

/// Throws usage_error when the point, which has been promised, is completed already or going to be.
inline void require_open(const host_line& line, event point, std::string_view stream_name)
{
  const host_line::stage now = line.stage_of(point.sequence);
  if (now == host_line::stage::open) return;
  throw usage_error("event " + std::to_string(point.sequence) + " of host stream '" + std::string(stream_name) +
                    (now == host_line::stage::done
                         ? "' has been completed already"
                         : "' is completed by itself: complete_later has been called for it"));
}

}  // namespace kvstrata::detail
