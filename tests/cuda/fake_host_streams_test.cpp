// Host streams on a GPU: what is called, what is not, what a driver may refuse, and that nothing is left waiting.
#include "cuda/runtime/fake_runtime.hpp"
#include "device/device_conformance.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::failure_of;
using kvstrata_test::sentence_of;
constexpr auto in = copy_direction::to_device;

/// The device goes before its memory does: work may be left.
struct bench
{
  bench()
  {
    mem = d.allocate_device(4096, "mem");
    host = d.allocate_pinned(4096, "host");
  }
  cuda_device::memory mem, host;
  std::unique_ptr<cuda_device> owned = std::make_unique<cuda_device>();
  cuda_device& d = *owned;
  stream_id compute = d.create_stream("compute");
  stream_id disk = d.create_host_stream("disk");
  stream_id remote = d.create_host_stream("remote");

  void work(stream_id s) { d.copy(s, in, mem.data(), host.data(), 64); }
};

void nothing_is_left()
{
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  REQUIRE((fake_runtime::alive() == fake_runtime::census{}));
}

struct without_waits
{
  static auto make()
  {
    fake_runtime::reset();
    fake_runtime::hide_driver_calls();
    return std::make_unique<cuda_device>();
  }
};

}  // namespace

TEST_CASE("cuda host stream: promises, completions and questions call nothing of the runtime's")
{
  fake_runtime::reset();
  {
    bench t;
    fence ready(t.d.record(t.compute));
    const std::uint64_t before = fake_runtime::calls();
    std::vector<event> points;
    for (int i = 0; i < 20; ++i) points.push_back(t.d.promise(t.disk, {.label = "get", .ready = ready}));
    for (std::size_t i = points.size(); i-- > 1;) t.d.complete(points[i]);
    REQUIRE_FALSE(t.d.query(points[0]));
    REQUIRE_FALSE(t.d.query(points[19]));
    t.d.complete(points[0]);
    for (const event point : points) REQUIRE(t.d.query(point));
    t.d.wait_sync(points.back());
    REQUIRE((t.d.record(t.disk) == points.back()));
    REQUIRE(fake_runtime::calls() == before);
    REQUIRE(t.d.stats().host_waits == 0);
    REQUIRE(t.d.stats().streams[1].name == "disk");
    REQUIRE(t.d.stats().events == 0);
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: a stream waits by one call, for an open point alone, and that is a point of its own")
{
  fake_runtime::reset();
  {
    bench t;
    const event first = t.d.promise(t.disk);
    const event second = t.d.promise(t.disk);
    t.d.complete(first);
    t.d.wait(t.compute, first);
    REQUIRE(fake_runtime::calls("cuStreamWaitValue64") == 0);
    REQUIRE((t.d.record(t.compute) == event{t.compute, 0}));  // nothing was queued
    t.d.wait(t.compute, second);
    REQUIRE(fake_runtime::calls("cuStreamWaitValue64") == 1);
    const event behind = t.d.record(t.compute);
    REQUIRE((behind == event{t.compute, 1}));
    REQUIRE_FALSE(t.d.query(behind));
    t.d.complete(second);
    t.d.wait_sync(behind);
    REQUIRE(t.d.stats().host_waits <= 1);
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: the words of all are one allocation, made for the first")
{
  fake_runtime::reset();
  {
    cuda_device d;
    REQUIRE(fake_runtime::alive().registered == 0);
    for (int i = 0; i < 256; ++i) (void)d.create_host_stream("lane");
    REQUIRE(fake_runtime::alive().registered == 1);
    REQUIRE(fake_runtime::alive().streams == 0);
    REQUIRE(d.pinned_bytes_used() == 0);
    REQUIRE(sentence_of<capacity_error>([&] { (void)d.create_host_stream("one more"); }) ==
            "stream 'one more' cannot be created: a CUDA device has at most 256 streams");
    const event late = d.promise(stream_id{0});
    const event last = d.promise(stream_id{255});
    d.complete(last);
    REQUIRE(d.query(last));
    REQUIRE_FALSE(d.query(late));
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: a thread sleeps until another completes its point")
{
  fake_runtime::reset();
  {
    bench t;
    std::vector<event> points;
    for (int i = 0; i < 4; ++i) points.push_back(t.d.promise(t.disk));
    std::atomic<int> woken{0};
    std::vector<std::thread> sleepers;
    for (const event point : points) {
      sleepers.emplace_back([&, point] {
        t.d.wait_sync(point);
        ++woken;
      });
    }
    for (const std::size_t i : {3u, 1u, 2u}) t.d.complete(points[i]);
    REQUIRE(woken == 0);
    t.d.complete(points[0]);
    for (std::thread& sleeper : sleepers) sleeper.join();
    REQUIRE(woken == 4);
    REQUIRE(t.d.stats().host_waits <= 4);
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: what a GPU or its driver cannot do is said, and all but waiting works")
{
  struct refusal
  {
    std::function<void()> refuse;
    const char* why;
  };
  const refusal all[] = {
      {[] { fake_runtime::set_attribute(static_cast<cudaDeviceAttr>(122), 0); },
       "Fake GPU 0 cannot let a stream wait for a word of memory"},
      {[] { fake_runtime::hide_driver_calls(); }, "the driver has no cuStreamWaitValue64"},
      {[] { fake_runtime::fail("cudaGetDriverEntryPointByVersion", cudaErrorInvalidValue); },
       "cudaGetDriverEntryPointByVersion returned cudaErrorInvalidValue (invalid argument)"},
      {[] { fake_runtime::fail("cudaDeviceGetAttribute", cudaErrorInvalidValue, 3); },
       "cudaDeviceGetAttribute returned cudaErrorInvalidValue (invalid argument)"},
  };
  for (const refusal& r : all) {
    fake_runtime::reset();
    r.refuse();
    {
      bench t;
      REQUIRE(cudaGetLastError() == cudaSuccess);  // nobody else need know
      REQUIRE(t.d.why_no_host_waits() == r.why);
      const event open = t.d.promise(t.disk);
      REQUIRE(sentence_of<usage_error>([&] { t.d.wait(t.compute, open); }) ==
              std::string("stream 'compute' cannot wait for host stream 'disk': ") + r.why);
      t.work(t.compute);  // it is no failure
      t.d.wait_sync(t.d.record(t.compute));
      t.d.complete(open);
      t.d.wait(t.compute, open);
      REQUIRE(fake_runtime::calls("cuStreamWaitValue64") == 0);
    }
    nothing_is_left();
  }
  fake_runtime::reset();
  {
    bench t;
    REQUIRE(t.d.why_no_host_waits().empty());
  }
}

TEST_CASE("cuda device whose streams cannot wait for the host: conformance")
{
  kvstrata_test::device_conformance<without_waits>();
}

TEST_CASE("cuda host stream: a wait that the driver turns down fails the device; completing goes on")
{
  fake_runtime::reset();
  {
    bench t;
    const event open = t.d.promise(t.disk);
    fake_runtime::fail("cuStreamWaitValue64", cudaErrorNotSupported);
    const std::string said =
        "letting stream 'compute' wait for stream 'disk' failed: cuStreamWaitValue64 returned cudaErrorNotSupported "
        "(operation not supported)";
    REQUIRE(failure_of([&] { t.d.wait(t.compute, open); }) == said);
    REQUIRE(failure_of([&] { (void)t.d.promise(t.disk); }) == said);
    REQUIRE(failure_of([&] { (void)t.d.query(open); }) == said);
    REQUIRE(failure_of([&] { t.d.wait_sync(open); }) == said);
    REQUIRE(failure_of([&] { (void)t.d.create_host_stream("third"); }) == said);
    t.d.complete(open);
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete(open); }) ==
            "event 1 of host stream 'disk' has been completed already");
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: what is never right earns the sentences of the emulated device")
{
  fake_runtime::reset();
  {
    bench t;
    const auto usage = [](const std::function<void()>& call) { return sentence_of<usage_error>(call); };
    const event open = t.d.promise(t.disk);
    t.work(t.compute);
    const event worked = t.d.record(t.compute);
    const std::string no_promise = "stream 'compute' is no host stream: nothing can be promised or completed there";
    const std::string no_work =
        " on stream 'disk': it is a host stream, which carries out no work and waits for nothing";
    REQUIRE(usage([&] { (void)t.d.promise(t.compute); }) == no_promise);
    REQUIRE(usage([&] { t.d.complete(worked); }) == no_promise);
    REQUIRE(usage([&] { t.d.complete({t.disk, 2}); }) ==
            "event 2 of stream 'disk' was never recorded: the last promise there is number 1");
    REQUIRE(usage([&] { (void)t.d.promise(t.disk, {.ready = event{t.remote, 1}}); }) ==
            "event 1 of stream 'remote' was never recorded: the last promise there is number 0");
    REQUIRE(usage([&] { t.d.wait(t.disk, worked); }) == "wait" + no_work);
    REQUIRE(usage([&] { t.work(t.disk); }) == "copy to device" + no_work);
    REQUIRE(usage([&] { t.d.fill(t.disk, t.mem.data(), {}, 8); }) == "fill" + no_work);
    REQUIRE(usage([&] { t.d.launch(t.disk, {"attention"}, [](cudaStream_t) {}); }) == "kernel" + no_work);
    REQUIRE(usage([&] { (void)t.d.native(t.disk); }) == "kernel" + no_work);
    REQUIRE((t.d.record(t.disk) == open));
  }
  nothing_is_left();
}

TEST_CASE("cuda host stream: a device is destroyed over open points, and after the runtime is gone")
{
  fake_runtime::reset();
  {
    bench t;
    (void)t.d.promise(t.disk);
    t.d.wait(t.compute, t.d.promise(t.disk));
    t.work(t.compute);
    t.d.wait(t.compute, t.d.promise(t.remote));
    t.work(t.compute);
  }
  nothing_is_left();
  fake_runtime::reset();
  auto t = std::make_unique<bench>();
  const event open = t->d.promise(t->disk);
  const event other = t->d.promise(t->disk);
  fake_runtime::unload();
  t->d.complete(other);
  t->d.complete(open);
  t.reset();
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  fake_runtime::reset();
}

TEST_CASE("cuda host stream: a steady state allocates nothing")
{
  fake_runtime::reset();
  {
    bench t;
    const auto round = [&] {
      const event a = t.d.promise(t.disk);
      const event b = t.d.promise(t.disk);
      t.d.wait(t.compute, b);
      t.work(t.compute);
      const event end = t.d.record(t.compute);
      t.d.complete(b);
      t.d.complete(a);
      t.d.wait_sync(end);
    };
    for (int i = 0; i < 10; ++i) round();
    const std::size_t before = kvstrata_test::allocations();
    for (int i = 0; i < 50; ++i) round();
    const std::size_t after = kvstrata_test::allocations();
    REQUIRE(after == before);
  }
  nothing_is_left();
}
