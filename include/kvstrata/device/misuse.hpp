// Calls that are never right on any device, and the sentences they earn. `queues` knows its streams: `streams()`, how many
// there are, and `stream_name(stream)`.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::detail {

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

}  // namespace kvstrata::detail
