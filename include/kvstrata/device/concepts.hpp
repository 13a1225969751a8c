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
// work failed, query, record and wait_sync throw device_error (the error is sticky, as in CUDA). A call that throws has
// queued nothing, but for copies that a device does not take although it works on: copy, copy_batch and copy_kernel_launch
// throw copy_refused for that. A part of them may be queued then; whoever gets it waits for the stream before their bytes go
// to anybody else, and all that is queued before and after is as it is. Where a call must not fail (a lease ends, memory is given back) it is tried once more, whatever it
// threw; a device that throws again is taken for one that has failed and runs nothing any more.
//
// Used where a device has it (emulated_device does):
//
// d.poison_freed() -> bool                       shall memory that is given back be overwritten? Asked once
// d.poison(stream, dst, bytes)                   queues overwriting it; does not block
// d.copy_batch(stream, direction, pieces)        queues many copies in one call, as one operation of the stream; an
//                                                empty list queues nothing; does not block
// d.copy_kernel_launch(stream, kernel, pieces)   queues one kernel that moves all pieces along kernel.route and reads
//                                                or writes pinned memory directly; an empty list queues nothing; does
//                                                not block
// d.code_kernel_launch(stream, kernel, coding,   the same of pieces of which an end is encoded (codec/page_code.hpp), off the
//   pieces)                                      host one of them; with copy_route::on_host it is no kernel, but a copy on
//                                                the host. `pieces`: a std::span<const coded_piece>. What is encoded is
//                                                as encode_pieces and decode_pieces have it
// d.create_urgent_stream(name) -> stream_id      as create_stream; kernels queued there get their place on the device before
//                                                those of other streams
// d.trace() -> a range of op_span                when each operation ran (device/span.hpp); a device may have to be
//                                                asked to keep it
//
// Host streams (host_stream_device): an I/O that is done is an event like any other.
//
// d.create_host_stream(name) -> stream_id        a new stream whose points the host completes; it carries out no work
// d.promise(stream, io) -> event                 its next point, open until it is completed; `io` is what is promised
//                                                (device/host_io.hpp); does not block
// d.complete(event)                              what was promised is over, well or not; does not block and takes no memory
// d.why_no_host_waits() -> std::string_view      why no stream can be made to wait for an open point; empty: it can
//
// `pieces` is a std::span<const copy_piece> that is read during the call only. Pieces of one call may be moved in any
// order and at once: no destination may overlap another piece's destination or any source. The host ends of a copy
// kernel's pieces lie in memory of allocate_pinned.
//
// Points of a host stream are completed once each, in any order, by whatever threads, and come to pass in the order of
// their promises: a point has passed when it and all before it are completed. So a late answer holds up its own host
// stream and no other. What a thread has written before it completes a point is there for whoever waits for the event. To
// record, wait, query, wait_sync and in fences they are events like any other: record(host stream) is the last promise; but
// a host stream is queued no work and no waits. Where why_no_host_waits() says why not, wait(stream, event) of an open
// point throws usage_error, and all the rest works: what depends on it must be staged, by a host that queries. A failed
// device promises nothing more, but completes. Whoever waits with wait_sync for a point that nobody else completes
// waits for ever; emulated_device ends that with a sentence. A device that is destroyed takes all open points for
// completed, so that what waits for them ends; by then no I/O touches its memory and nobody calls complete any more.
//
// Models: emulated_device (device/emulated_device.hpp). A CUDA backend satisfies the same table. The smallest model,
// and types that miss by one thing, are in tests/device/device_concepts_test.cpp; tests/device/device_conformance.hpp
// holds a device of your own to all of the above.
#pragma once

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/host_io.hpp>
#include <kvstrata/device/span.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class copy_direction : std::uint8_t {
  to_device,    ///< onload
  from_device,  ///< offload
  on_host,      ///< demotion: neither end lies in device memory
};

/// One of the copies of a batch or of a copy kernel.
struct copy_piece
{
  std::byte* dst = nullptr;
  const std::byte* src = nullptr;
  std::size_t bytes = 0;

  friend constexpr bool operator==(const copy_piece&, const copy_piece&) = default;
};

/// Which way a copy kernel moves bytes.
enum class copy_route : std::uint8_t {
  to_device,    ///< out of pinned memory
  from_device,  ///< into pinned memory
  on_device,    ///< from device memory to device memory
  on_host,      ///< from host memory to host memory; never a kernel's
};

/// What a copy kernel is called, where it goes, and how much of the device it may take.
struct copy_kernel
{
  std::string_view label;
  copy_route route = copy_route::on_device;
  std::uint32_t sms = 0;  ///< multiprocessors it may take; 0: all
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

// --- used where a device has it ---

template <class D>
concept batches_copies = requires(D& d, stream_id stream, copy_direction direction,
                                  std::span<const copy_piece> pieces) { d.copy_batch(stream, direction, pieces); };

template <class D>
concept runs_copy_kernels =
    requires(D& d, stream_id stream, const copy_kernel& what, std::span<const copy_piece> pieces) {
      d.copy_kernel_launch(stream, what, pieces);
    };

template <class D>
concept codes_pieces =
    requires(D& d, stream_id stream, const copy_kernel& what, coding how, std::span<const coded_piece> pieces) {
      d.code_kernel_launch(stream, what, how, pieces);
    };

template <class D>
concept creates_urgent_streams = requires(D& d, std::string_view name) {
  { d.create_urgent_stream(name) } -> std::same_as<stream_id>;
};

template <class R>
concept range_of_spans = requires(const R& range) {
  { *range.begin() } -> std::convertible_to<const op_span&>;
  { range.begin() != range.end() } -> std::convertible_to<bool>;
};

template <class D>
concept keeps_spans = requires(const D& d) {
  { d.trace() } -> range_of_spans;
};

template <class D>
concept host_stream_device =
    device<D> && requires(D& d, std::string_view name, stream_id stream, const host_io& io, event point) {
      { d.create_host_stream(name) } -> std::same_as<stream_id>;
      { d.promise(stream, io) } -> std::same_as<event>;
      d.complete(point);
      { d.why_no_host_waits() } -> std::convertible_to<std::string_view>;
    };

/// A stream for copies and the kernels that move bytes: urgent where a device knows that, because what it brings holds up
/// the model, while a running kernel of the model leaves no room beside it until it is nearly over.
template <device Device>
[[nodiscard]] stream_id create_copy_stream(Device& d, std::string_view name)
{
  if constexpr (creates_urgent_streams<Device>) return d.create_urgent_stream(name);
  else return d.create_stream(name);
}

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
