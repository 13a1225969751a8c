// The trace in the long run: how exact, and how many events.
#include "cuda/runtime/fake_runtime.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

using namespace kvstrata;

TEST_CASE("spans are exact to microseconds after hours")
{
  fake_runtime::reset();
  cuda_device d({.trace = true});
  const auto mem = d.allocate_device(64, "mem");
  const stream_id s = d.create_stream("s");
  const double pause = GENERATE(0.05, 0.2, 1.0);  // shorter than, and longer than, an anchor serves
  struct stamp
  {
    double before, after;
  };
  std::vector<stamp> stamps;
  for (int i = 0; i < 4000; ++i) {
    fake_runtime::pass_time(pause);
    const double before = fake_runtime::seconds();
    d.fill(s, mem.data(), std::byte{1}, 64);
    d.wait_sync(d.record(s));
    stamps.push_back({before, fake_runtime::seconds()});
  }
  const std::vector<op_span> spans = d.trace();
  REQUIRE(spans.size() == stamps.size());
  double lead = 0;  // of the device's clock, as far as the stamps allow
  double least = 1e9;
  double most = -1e9;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    REQUIRE(spans[i].point == i + 1);  // a point was recorded behind each
    // before - lead <= begin <= end <= after - lead
    least = (std::min)(least, stamps[i].after - spans[i].end);
    most = (std::max)(most, stamps[i].before - spans[i].begin);
    lead = (least + most) / 2;
  }
  CAPTURE(least, most, lead);
  REQUIRE(most - least < 50e-6);  // one lead explains all
  REQUIRE(d.stats().streams[0].busy_seconds < 4000.0 * pause);
}

TEST_CASE("tracing keeps few events though nobody asks for the trace")
{
  fake_runtime::reset();
  cuda_device d({.trace = true});
  const auto mem = d.allocate_device(64, "mem");
  const stream_id s = d.create_stream("s");
  for (int i = 0; i < 1000; ++i) {
    d.fill(s, mem.data(), std::byte{1}, 64);
    d.wait_sync(d.record(s));
  }
  REQUIRE(fake_runtime::alive().events <= 16);
  REQUIRE(d.trace().size() == 1000);
  const fake_runtime::gate_keeper keeper;
  fake_runtime::close_gates();
  for (int i = 0; i < 10; ++i) d.fill(s, mem.data(), std::byte{1}, 64);
  REQUIRE(d.trace().size() == 1000);  // it does not wait for what is under way
  d.clear_trace();
  REQUIRE(d.trace().empty());
  fake_runtime::open_gates();
  d.wait_sync(d.record(s));
  REQUIRE(d.trace().size() == 10);
}

TEST_CASE("a trace whose times the runtime does not tell is short, and nothing else")
{
  fake_runtime::reset();
  cuda_device d({.trace = true});
  const auto mem = d.allocate_device(64, "mem");
  const stream_id s = d.create_stream("s");
  const fake_runtime::gate_keeper keeper;
  fake_runtime::close_gates();  // else the fill may be over while it is queued, and its times told already
  d.fill(s, mem.data(), std::byte{1}, 64);
  fake_runtime::open_gates();
  d.wait_sync(d.record(s));
  fake_runtime::fail("cudaEventElapsedTime", cudaErrorLaunchFailure);
  REQUIRE(d.trace().empty());
  d.launch(s, {"no stale error"}, [](cudaStream_t) {});
  d.wait_sync(d.record(s));
  REQUIRE(d.trace().size() == 2);
}
