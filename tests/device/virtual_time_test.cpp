// Virtual time: exact link arithmetic, overlap, host waits and stalls, and the same run for the same seed.
#include "device/random_program.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

// Powers of two, so that all sums are exact.
emulated_device_config traced()
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.to_device = {1024.0, 0.5};
  config.from_device = {512.0, 0.25};
  config.trace = true;
  return config;
}

struct bench
{
  explicit bench(const emulated_device_config& config = traced()) : d(config) {}
  emulated_device d;
  emulated_device::memory device = d.allocate_device(65536, "slab");
  emulated_device::memory host = d.allocate_pinned(65536, "arena");
  stream_id a = d.create_stream("a");
  stream_id b = d.create_stream("b");

  void copy(stream_id s, copy_direction way, std::size_t bytes, std::size_t at = 0)
  {
    if (way == in) d.copy(s, way, device.data() + at, host.data() + at, bytes);
    else d.copy(s, way, host.data() + at, device.data() + at, bytes);
  }
  void work(stream_id s, std::string_view label, double seconds)
  {
    d.launch(s, {label, seconds}, [] {});
  }
  std::vector<std::pair<double, double>> spans() const
  {
    std::vector<std::pair<double, double>> list;
    for (const op_span& span : d.trace()) list.emplace_back(span.begin, span.end);
    return list;
  }
};

using times = std::vector<std::pair<double, double>>;

}  // namespace

TEST_CASE("a copy costs latency and bytes over bandwidth")
{
  bench t;
  t.copy(t.a, in, 1024);
  REQUIRE(t.d.now() == 0);  // queueing is free, and nothing happens while the host does not wait
  REQUIRE(t.d.trace().empty());
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 1.5);
  REQUIRE(t.spans() == times{{0, 1.5}});
  const op_span span = t.d.trace()[0];
  REQUIRE(span.stream == t.a);
  REQUIRE(span.stream_name == "a");
  REQUIRE(span.label == "copy to device");
  REQUIRE(span.kind == operation_kind::copy_to_device);
  REQUIRE(span.bytes == 1024);
  REQUIRE(span.point == 1);
  REQUIRE(t.d.record(t.a).sequence == 1);
  t.d.clear_trace();
  REQUIRE(t.d.trace().empty());
}

TEST_CASE("streams share the link of a direction; directions do not share")
{
  bench t;
  t.copy(t.a, in, 1024);
  t.copy(t.b, in, 512, 2048);
  t.d.wait_sync(t.d.record(t.a));
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 2.5);  // 1.5 and 1.0, one behind the other, whoever was first
  t.d.clear_trace();
  t.copy(t.a, in, 1024);
  t.copy(t.b, out, 512, 2048);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 4.0);
  REQUIRE(t.spans() == times{{2.5, 3.75}, {2.5, 4.0}});
}

TEST_CASE("a copy that has to wait does not keep the link from one that need not")
{
  bench t;
  const stream_id compute = t.d.create_stream("compute");
  t.work(compute, "long", 8);
  t.d.wait(t.a, t.d.record(compute));
  t.copy(t.a, in, 1024);        // queued first, ready at 8
  t.copy(t.b, in, 1024, 2048);  // ready at once
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 1.5);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 9.5);
}

TEST_CASE("an unlimited link takes no time")
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  bench t(config);
  t.copy(t.a, in, 1024);
  REQUIRE(t.d.query(t.d.record(t.a)));
  REQUIRE(t.d.now() == 0);
  REQUIRE(t.d.stats().host_waits == 0);
}

TEST_CASE("kernels of different streams run side by side, those of one stream do not")
{
  bench t;
  t.work(t.a, "x", 2);
  t.work(t.a, "y", 1);
  t.work(t.b, "z", 2.5);
  t.d.wait_sync(t.d.record(t.a));
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 3);
  REQUIRE(t.spans() == times{{0, 2}, {0, 2.5}, {2, 3}});
}

TEST_CASE("kernels that share the multiprocessors take turns, in the order in which they are ready")
{
  emulated_device_config config = traced();
  config.share_compute = true;
  bench t(config);
  t.work(t.a, "first", 4);
  t.work(t.a, "behind it", 1);
  t.copy(t.b, in, 512);  // until 1: nobody's turn, and beside the kernel
  t.work(t.b, "other", 2);
  t.d.wait_sync(t.d.record(t.a));
  t.d.wait_sync(t.d.record(t.b));
  CHECK(t.d.now() == 7);
  CHECK(t.spans() == times{{0, 1}, {0, 4}, {4, 6}, {6, 7}});
}

TEST_CASE("the host waits for whichever comes first, or until it is time")
{
  bench t;
  t.work(t.a, "long", 4);
  t.work(t.b, "short", 2);
  const std::vector<event> both{t.d.record(t.a), t.d.record(t.b)};
  CHECK(t.d.wait_any_sync(both, 1.5) == std::nullopt);
  CHECK(t.d.now() == 1.5);
  CHECK(t.d.wait_any_sync(both, 100) == 1U);
  CHECK(t.d.now() == 2);
  CHECK(t.d.wait_any_sync(both, 100) == 1U);  // has passed
  CHECK(t.d.now() == 2);
  CHECK(t.d.wait_any_sync({both.data(), 1}, 100) == 0U);
  CHECK(t.d.now() == 4);
  CHECK(t.d.wait_any_sync({}, 5) == std::nullopt);  // nothing is going to happen
  CHECK(t.d.now() == 5);
  emulated_device real;
  CHECK_THROWS_AS(real.wait_any_sync({}, 1), usage_error);
}

TEST_CASE("layer l computes while layer l + 1 travels")
{
  bench t;  // a: onload, b: compute
  constexpr int layers = 4;
  for (int layer = 0; layer < layers; ++layer) {
    t.copy(t.a, in, 512, static_cast<std::size_t>(layer) * 512);  // 1 second each
    t.d.wait(t.b, t.d.record(t.a));
    t.work(t.b, "layer", 1);
  }
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == layers + 1);
  const auto streams = t.d.stats().streams;
  REQUIRE(streams[0].busy_seconds == layers);
  REQUIRE(streams[1].busy_seconds == layers);
  REQUIRE(streams[1].stall_seconds == 1);  // the first layer's journey is exposed, no other
  REQUIRE(streams[0].stall_seconds == 0);
}

TEST_CASE("the host's clock moves when the host works or waits, and queueing begins there")
{
  bench t;
  t.d.advance_host(3);
  t.copy(t.a, in, 512);
  t.d.advance_host(0.5);
  const event point = t.d.record(t.a);
  REQUIRE_FALSE(t.d.query(point));
  REQUIRE(t.spans().empty());
  t.d.advance_host(0.5);
  REQUIRE(t.d.query(point));
  REQUIRE(t.spans() == times{{3, 4}});
  t.d.wait_sync(point);  // complete: not a wait
  REQUIRE(t.d.now() == 4);
  REQUIRE(t.d.stats().host_waits == 0);
  t.copy(t.a, in, 512);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 5);
  REQUIRE(t.d.stats().host_waits == 1);
  REQUIRE(t.d.stats().host_wait_seconds == 1);
}

TEST_CASE("the host sees memory as it is at its own time")
{
  bench t;
  t.host.data()[0] = std::byte{7};
  t.copy(t.a, in, 512);
  t.copy(t.b, out, 512, 0);
  t.d.advance_host(0.75);
  REQUIRE(t.device.data()[0] == std::byte{0});  // still on its way
  t.d.advance_host(0.25);
  REQUIRE(t.device.data()[0] == std::byte{7});
}

TEST_CASE("stalls count only while a stream has something better to do")
{
  bench t;
  t.work(t.a, "x", 4);
  const event slow = t.d.record(t.a);
  t.d.wait(t.b, slow);  // nothing behind it yet: idle, not stalled
  t.d.advance_host(1);
  REQUIRE(t.d.stats().streams[1].stall_seconds == 0);
  t.work(t.b, "y", 1);  // queued at 1, runs at 4
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 5);
  REQUIRE(t.d.stats().streams[1].stall_seconds == 3);
  t.d.wait(t.b, slow);  // long past
  t.work(t.b, "z", 1);
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.stats().streams[1].stall_seconds == 3);
}

TEST_CASE("counters tell copies and bytes each way, kernels and fills")
{
  bench t;
  t.copy(t.a, in, 100);
  t.copy(t.a, in, 28);
  t.copy(t.b, out, 64);
  t.work(t.b, "k", 1);
  t.d.fill(t.a, t.device.data(), std::byte{1}, 5);
  t.d.poison(t.a, t.device.data(), 5);  // off by default
  const auto s = t.d.stats();
  REQUIRE(s.to_device == device_counters::traffic{2, 128, 2});
  REQUIRE(s.from_device == device_counters::traffic{1, 64, 1});
  REQUIRE(s.kernels == 1);
  REQUIRE(s.fills == 1);
  REQUIRE(s.launches() == 5);
  REQUIRE(s.streams.size() == 2);
  REQUIRE(s.streams[1].name == "b");
}

TEST_CASE("without data, time passes and memory stays untouched")
{
  emulated_device_config config = traced();
  config.data = false;
  emulated_device d(config);
  const auto slab = d.allocate_device(std::size_t{1} << 35, "far more than is there");
  const auto arena = d.allocate_pinned(std::size_t{1} << 35, "another");
  const stream_id s = d.create_stream("s");
  bool ran = false;
  d.copy(s, in, slab.data() + (std::size_t{1} << 34), arena.data(), 1024);
  d.launch(s, {"k", 2}, [&] { ran = true; });
  d.fill(s, slab.data(), std::byte{1}, 1024);
  d.copy(s, out, arena.data(), slab.data(), 512);
  d.wait_sync(d.record(s));
  REQUIRE(d.now() == 1.5 + 2 + 1.25);
  REQUIRE_FALSE(ran);
}

TEST_CASE("virtual time: the same seed gives the same run, other seeds other interleavings and the same bytes")
{
  std::size_t lively = 0;
  for (std::uint64_t number = 0; number < 20; ++number) {
    const auto program = kvstrata_test::mended(kvstrata_test::random_program(number, 40, 20));
    const auto expected = kvstrata_test::run_in_order(program);
    std::set<std::string> runs;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      std::vector<op_span> first;
      for (int repeat = 0; repeat < 2; ++repeat) {
        emulated_device_config config = traced();
        config.seed = seed;
        config.jitter_seconds = 0.5;
        emulated_device d(config);
        REQUIRE(kvstrata_test::run_on(d, program) == expected);
        if (repeat == 0) first = d.trace();
        else REQUIRE(d.trace() == first);
      }
      std::string order;
      for (const op_span& span : first) order += span.label + " ";
      runs.insert(order);
    }
    if (runs.size() > 1) ++lively;
  }
  REQUIRE(lively >= 15);  // the rest leaves little choice
}

TEST_CASE("real time: orderly programs give the same bytes")
{
  for (std::uint64_t number = 0; number < 20; ++number) {
    const auto program = kvstrata_test::mended(kvstrata_test::random_program(number, 40, 20));
    emulated_device_config config;
    config.check_ordering = true;
    emulated_device d(config);
    REQUIRE(kvstrata_test::run_on(d, program) == kvstrata_test::run_in_order(program));
    REQUIRE(d.violations().empty());
  }
}

TEST_CASE("what falls on one instant is ordered by the seed")
{
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    emulated_device_config config = traced();
    config.seed = seed;
    bench t(config);
    t.work(t.a, "a", 1);
    t.work(t.b, "b", 1);
    t.d.advance_host(1);
    std::string order;
    for (const op_span& span : t.d.trace()) order += span.label;
    orders.insert(order);
  }
  REQUIRE(orders == std::set<std::string>{"ab", "ba"});
}

TEST_CASE("delays stay within jitter_seconds, and seeds draw different ones")
{
  std::set<double> ends;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    emulated_device_config config = traced();
    config.seed = seed;
    config.jitter_seconds = 0.5;
    bench t(config);
    t.work(t.a, "k", 1);
    t.d.wait_sync(t.d.record(t.a));
    REQUIRE(t.d.now() >= 1);
    REQUIRE(t.d.now() < 1.5);
    ends.insert(t.d.now());
  }
  REQUIRE(ends.size() == 10);
}

TEST_CASE("destroying a device finishes its work")
{
  bool ran = false;
  {
    emulated_device d(traced());
    const stream_id s = d.create_stream("s");
    d.launch(s, {"k", 5}, [&] { ran = true; });
  }
  REQUIRE(ran);
}
