// What a benchmark needs of a machine besides the device that the library sees. A machine M:
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename M::device_type                models kvstrata::device, copy batches and copy kernels
// m.device() -> device_type&
// m.measures() -> bool                   false: nothing it says is a measurement
// m.facts()                              what the figures belong to, as pairs of name and value
// m.stream(name) -> stream_id            a stream of that name, the same one for the same name
// m.mark(stream) -> time_mark            a time stamp behind all that is queued on the stream by now; does not block
// m.seconds(from, to) -> double          blocks until both have come to pass
// m.forget_marks()                       all of them; none may be asked for afterwards
// m.product(stream)                      queues one matrix product in bf16 of product_flops() FLOP
// m.copy_on_device(stream, dst, src,     queues a copy within device memory, as the runtime does it
//   bytes)
//
// Models: cuda_machine, emulated_machine.
#pragma once

#include "figures.hpp"

#include <kvstrata/device/concepts.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bench {

enum class time_mark : std::uint64_t {};

template <class M>
concept tells_time = requires(M& m, kvstrata::stream_id stream, time_mark at) {
  { m.mark(stream) } -> std::same_as<time_mark>;
  { m.seconds(at, at) } -> std::same_as<double>;
  m.forget_marks();
};

template <class M>
concept computes = requires(M& m, kvstrata::stream_id stream, std::byte* at) {
  m.product(stream);
  { m.product_flops() } -> std::same_as<double>;
  m.copy_on_device(stream, at, at, std::size_t{});
};

template <class M>
concept machine = kvstrata::device<typename M::device_type> && kvstrata::batches_copies<typename M::device_type> &&
                  kvstrata::runs_copy_kernels<typename M::device_type> && tells_time<M> && computes<M> &&
                  requires(M& m, std::string_view name) {
                    { m.device() } -> std::same_as<typename M::device_type&>;
                    { m.stream(name) } -> std::same_as<kvstrata::stream_id>;
                    { m.measures() } -> std::same_as<bool>;
                    m.facts();
                  };

/// The time from here until all is done that `queue(after) -> fence` queues behind the fence `after`: what the host
/// needs to queue it is in it. The machine must be idle. Blocks.
template <machine Machine, class Queue>
[[nodiscard]] double seconds_of_work(Machine& m, Queue&& queue)
{
  m.forget_marks();
  const kvstrata::stream_id gate = m.stream("stopwatch");
  const time_mark begin = m.mark(gate);
  const kvstrata::fence done = queue(kvstrata::fence(m.device().record(gate)));
  kvstrata::wait_for(m.device(), gate, done);
  return m.seconds(begin, m.mark(gate));
}

}  // namespace bench
