// What a traced CUDA device tells of its streams, and that the timeline takes it.
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

struct bench
{
  explicit bench(bool trace) : d({.batch_pieces = 2, .trace = trace, .poison_freed = true}) {}
  cuda_device d;
  cuda_device::memory mem = d.allocate_device(1u << 20, "mem");
  cuda_device::memory host = d.allocate_pinned(1u << 20, "host");
  stream_id onload = d.create_stream("onload");
  stream_id compute = d.create_stream("compute");

  void everything()
  {
    d.copy(onload, in, mem.data(), host.data(), 1u << 20);
    const copy_piece pieces[] = {
        {mem.data(), host.data(), 8}, {mem.data() + 16, host.data(), 8}, {mem.data() + 32, host.data(), 8}};
    d.copy_batch(onload, in, pieces);
    d.copy_kernel_launch(onload, {"scatter", copy_route::to_device, 1}, pieces);
    d.wait(compute, d.record(onload));
    d.launch(compute, {"attention"}, [](cudaStream_t) {});
    d.launch(compute, {}, [](cudaStream_t) {});
    d.fill(compute, mem.data(), std::byte{1}, 100);
    d.poison(compute, mem.data(), 50);
    d.copy(compute, out, host.data(), mem.data(), 64);
    d.wait_sync(d.record(compute));
  }
};

}  // namespace

TEST_CASE("cuda: a traced device tells what ran, where, in order, and by the host's clock")
{
  bench t(true);
  const double before = t.d.now();
  t.everything();
  const double after = t.d.now();
  const std::vector<op_span> spans = t.d.trace();
  struct expected
  {
    const char* stream;
    const char* label;
    operation_kind kind;
    std::size_t bytes, pieces;
  };
  const std::vector<expected> all{
      {"onload", "copy to device", operation_kind::copy_to_device, 1u << 20, 1},
      {"onload", "copy to device", operation_kind::copy_to_device, 24, 3},
      {"onload", "scatter", operation_kind::copy_kernel, 24, 3},
      {"compute", "attention", operation_kind::kernel, 0, 0},
      {"compute", "kernel", operation_kind::kernel, 0, 0},
      {"compute", "fill", operation_kind::fill, 100, 0},
      {"compute", "poison", operation_kind::poison, 50, 0},
      {"compute", "copy from device", operation_kind::copy_from_device, 64, 1},
  };
  REQUIRE(spans.size() == all.size());
  constexpr double clock_error = 50e-3;  // of setting the GPU's clock beside the host's, on a busy machine
  double last = before - clock_error;
  for (std::size_t i = 0; i < all.size(); ++i) {  // the second stream waits for the first: one order for all
    CAPTURE(i, before, after, spans[i].begin, spans[i].end);
    REQUIRE(spans[i].stream_name == all[i].stream);
    REQUIRE(spans[i].label == all[i].label);
    REQUIRE(spans[i].kind == all[i].kind);
    REQUIRE(spans[i].bytes == all[i].bytes);
    REQUIRE(spans[i].pieces == all[i].pieces);
    REQUIRE(spans[i].stream == (i < 3 ? t.onload : t.compute));
    REQUIRE(spans[i].begin >= last - 2e-6);  // of the runtime's own resolution
    REQUIRE(spans[i].end >= spans[i].begin);
    last = spans[i].end;
  }
  REQUIRE(last <= after + clock_error);
  const auto streams = t.d.stats().streams;
  double busy = 0;
  for (std::size_t i = 3; i < spans.size(); ++i) busy += spans[i].end - spans[i].begin;
  REQUIRE(streams[1].busy_seconds == Approx(busy));
  REQUIRE(t.d.trace() == spans);  // asking does not use it up

  t.d.clear_trace();
  REQUIRE(t.d.trace().empty());
  t.d.fill(t.compute, t.mem.data(), std::byte{2}, 8);
  t.d.wait_sync(t.d.record(t.compute));
  REQUIRE(t.d.trace().size() == 1);
  REQUIRE(t.d.trace()[0].begin >= last - 2e-6);
}

TEST_CASE("cuda: the timeline tracker draws the streams of the device")
{
  bench t(true);
  timeline tracker;
  tracker.use_clock([&] { return t.d.now(); });
  tracker.on(call_began{});
  t.everything();
  tracker.on(call_ended{});
  tracker.add_spans(t.d.trace());
  REQUIRE(tracker.events() == 9);
  std::ostringstream text;
  tracker.write(text);
  for (const char* const name : {"onload", "compute", "attention", "scatter", "poison"}) {
    REQUIRE(text.str().find('"' + std::string(name) + '"') != std::string::npos);
  }
}

TEST_CASE("cuda: a kernel that could not be queued leaves no span; without tracing nothing does")
{
  bench t(true);
  REQUIRE_THROWS_AS(t.d.launch(t.compute, {"throws"}, [](cudaStream_t) { throw 5; }), int);
  t.d.launch(t.compute, {"outer"},
             [&](cudaStream_t) { t.d.fill(t.onload, t.mem.data(), {}, 8); });  // on another stream
  t.d.wait_sync(t.d.record(t.compute));
  t.d.wait_sync(t.d.record(t.onload));
  REQUIRE(t.d.trace().size() == 2);
  bench quiet(false);
  quiet.everything();
  REQUIRE(quiet.d.trace().empty());
}
