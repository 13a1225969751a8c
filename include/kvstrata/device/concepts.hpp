// What the library needs of a device: memory, streams whose work is deferred, events that order it, copies.
//
// expression                                     meaning
// ---------------------------------------------- ----------------------------------------------------------------
// typename D::memory                             owns one allocation: movable, `data()` -> std::byte*, `size()` ->
//                                                bytes; destroying it frees it, and whoever destroys it has made sure
//                                                that no queued work still uses it
// d.allocate_device(bytes, name) -> memory       device memory, 256-byte aligned; throws capacity_error
// d.allocate_pinned(bytes, name) -> memory       page-locked host memory, 256-byte aligned; throws capacity_error
// d.create_stream(name) -> stream_id             a new stream; lives as long as the device
// d.record(stream) -> event                      the point after all that is queued on the stream by now; does not
//                                                block
// d.wait(stream, event)                          work queued on the stream from now on starts after the event; does
//                                                not block the host
// d.query(event) -> bool                         has the event come to pass? Never blocks
// d.wait_sync(event)                             blocks the host until the event has come to pass
// d.copy(stream, direction, dst, src, bytes)     queues a copy; does not block
//
// `name` is a std::string_view used in messages and pictures. All calls may come from several threads. When earlier
// work failed, query, record and wait_sync throw device_error (the error is sticky, as in CUDA).
//
// Used where a device has it (emulated_device does):
//
// d.poison_freed() -> bool                       shall memory that is given back be overwritten?
// d.poison(stream, dst, bytes)                   queues overwriting it; does not block
//
// Models: emulated_device (device/emulated_device.hpp). A CUDA backend satisfies the same table. The smallest model,
// and types that miss by one thing, are in tests/device/device_concepts_test.cpp; tests/device/device_conformance.hpp
// holds a device of your own to all of the above.
#pragma once

#include <kvstrata/device/event.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata {

enum class copy_direction : std::uint8_t {
  to_device,    ///< onload
  from_device,  ///< offload
};

template <class M>
concept device_memory = std::movable<M> && requires(const M& memory) {
  { memory.data() } -> std::same_as<std::byte*>;
  { memory.size() } -> std::same_as<std::size_t>;
};

template <class D>
concept allocates_memory =
    device_memory<typename D::memory> && requires(D& d, std::size_t bytes, std::string_view name) {
      { d.allocate_device(bytes, name) } -> std::same_as<typename D::memory>;
      { d.allocate_pinned(bytes, name) } -> std::same_as<typename D::memory>;
    };

template <class D>
concept creates_streams = requires(D& d, std::string_view name) {
  { d.create_stream(name) } -> std::same_as<stream_id>;
};

template <class D>
concept orders_streams = requires(D& d, stream_id stream, event point) {
  { d.record(stream) } -> std::same_as<event>;
  d.wait(stream, point);
};

template <class D>
concept reports_completion = requires(D& d, event point) {
  { d.query(point) } -> std::same_as<bool>;
  d.wait_sync(point);
};

template <class D>
concept queues_copies = requires(D& d, stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src,
                                 std::size_t bytes) { d.copy(stream, direction, dst, src, bytes); };

template <class D>
concept device =
    allocates_memory<D> && creates_streams<D> && orders_streams<D> && reports_completion<D> && queues_copies<D>;

/// Makes `stream` wait for every point of `points`. Points on the stream itself cost nothing.
template <device Device>
void wait_for(Device& d, stream_id stream, const fence& points)
{
  for (const event point : points) {
    if (point.stream != stream) d.wait(stream, point);
  }
}

/// Blocks the host until every point of `points` has come to pass.
template <device Device>
void wait_for_sync(Device& d, const fence& points)
{
  for (const event point : points) d.wait_sync(point);
}

}  // namespace kvstrata
