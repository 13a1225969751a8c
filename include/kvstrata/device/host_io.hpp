// What the host promises on a host stream: an I/O, when it may begin, and which bytes it touches.
#pragma once

#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Bytes that somebody touches.
struct byte_range
{
  const std::byte* data = nullptr;
  std::size_t size = 0;
};

/// One promise. Read during the call only. The device does not carry it out and waits for nothing: whoever does carry it
/// out begins when `ready` has come to pass, as query or wait_sync tell, and is done before the point is completed. A
/// device that checks orderings takes it at its word: the bytes are touched somewhere between `ready` and the point, and
/// the I/Os of one host stream are no more ordered among themselves than those of two.
struct host_io
{
  std::string_view label = "host I/O";   ///< "put", "get": for messages
  fence ready{};                         ///< beside what the host knows to be over when it promises
  std::span<const byte_range> reads{};   ///< memory that a put takes bytes from
  std::span<const byte_range> writes{};  ///< memory that a get brings bytes to
};

}  // namespace kvstrata
