// Points of streams as events of the runtime: few of them, used again, never for two points that somebody waits for.
#include "cuda/runtime/fake_runtime.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <chrono>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;

/// The device goes before its memory does: work may be left.
struct bench
{
  bench()
  {
    mem = d.allocate_device(1u << 16, "mem");
    host = d.allocate_pinned(1u << 16, "host");
  }
  cuda_device::memory mem, host;
  std::unique_ptr<cuda_device> owned = std::make_unique<cuda_device>();
  cuda_device& d = *owned;
  stream_id one = d.create_stream("one");
  stream_id two = d.create_stream("two");
  fake_runtime::gate_keeper keeper;

  void work(stream_id s) { d.fill(s, mem.data(), std::byte{1}, 64); }
};

}  // namespace

TEST_CASE("a point after nothing new is the point before, and costs no call")
{
  fake_runtime::reset();
  bench t;
  REQUIRE((t.d.record(t.one) == event{t.one, 0}));
  t.work(t.one);
  const event first = t.d.record(t.one);
  REQUIRE((first == event{t.one, 1}));
  const std::uint64_t recorded = fake_runtime::calls("cudaEventRecord");
  REQUIRE((t.d.record(t.one) == first));
  REQUIRE(fake_runtime::calls("cudaEventRecord") == recorded);
  t.d.wait(t.one, first);  // its own: nothing is queued
  REQUIRE((t.d.record(t.one) == first));
  t.work(t.two);
  fake_runtime::close_gates();
  t.work(t.two);
  t.d.wait(t.one, t.d.record(t.two));  // something is
  REQUIRE((t.d.record(t.one) == event{t.one, 2}));
  fake_runtime::open_gates();
}

TEST_CASE("what has been queued through a stream's own handle is before the next point")
{
  fake_runtime::reset();
  bench t;
  const cudaStream_t handle = t.d.native(t.one);
  const event before = t.d.record(t.one);
  fake_runtime::close_gates();
  REQUIRE(cudaMemsetAsync(t.mem.data(), 1, 8, handle) == cudaSuccess);
  const event after = t.d.record(t.one);
  REQUIRE(after.sequence > before.sequence);
  REQUIRE_FALSE(t.d.query(after));
  fake_runtime::open_gates();
  t.d.wait_sync(after);
}

TEST_CASE("a point that has been seen to pass costs no call, and nobody waits for it")
{
  fake_runtime::reset();
  bench t;
  t.work(t.one);
  const event early = t.d.record(t.one);
  t.work(t.one);
  const event late = t.d.record(t.one);
  t.d.wait_sync(late);
  const std::uint64_t before = fake_runtime::calls();
  REQUIRE(t.d.query(early));
  t.d.wait_sync(early);
  REQUIRE(fake_runtime::calls() == before);
  t.d.wait(t.two, early);
  REQUIRE(fake_runtime::calls("cudaStreamWaitEvent") == 0);
  REQUIRE((t.d.record(t.two) == event{t.two, 0}));
}

TEST_CASE("there are as many events as points that are outstanding, though nobody asks after any")
{
  fake_runtime::reset();
  bench t;
  fake_runtime::close_gates();
  for (int i = 0; i < 100; ++i) {
    t.work(t.one);
    REQUIRE(t.d.record(t.one).sequence == static_cast<std::uint64_t>(i + 1));
  }
  REQUIRE(t.d.stats().events == 100);
  fake_runtime::open_gates();
  const cudaStream_t one = t.d.native(t.one);
  const cudaStream_t two = t.d.native(t.two);
  REQUIRE(cudaStreamSynchronize(one) == cudaSuccess);
  event last;
  for (int i = 0; i < 1000; ++i) {
    t.work(t.one);
    last = t.d.record(t.one);
    if (i % 50 == 49) REQUIRE(cudaStreamSynchronize(one) == cudaSuccess);
  }
  REQUIRE(t.d.stats().events <= 100);
  for (int i = 0; i < 1000; ++i) {
    t.work(t.two);
    (void)t.d.record(t.two);
    REQUIRE(cudaStreamSynchronize(two) == cudaSuccess);
  }
  REQUIRE(t.d.stats().events <= 102);
  t.d.wait_sync(last);
}

TEST_CASE("every point passes when its work has, however many are outstanding and in whatever order one asks")
{
  fake_runtime::reset();
  bench t;
  for (int round = 0; round < 3; ++round) {
    fake_runtime::close_gates();
    std::vector<event> points;
    for (std::size_t i = 0; i < 40; ++i) {
      t.d.copy(t.one, in, t.mem.data() + i, t.host.data() + i, 1);
      points.push_back(t.d.record(t.one));
    }
    for (const event p : points) REQUIRE_FALSE(t.d.query(p));
    fake_runtime::open_gates();
    t.d.wait_sync(points[10]);
    for (std::size_t i = 0; i <= 10; ++i) REQUIRE(t.d.query(points[i]));
    t.d.wait(t.two, points[30]);
    t.d.wait_sync(t.d.record(t.two));
    for (std::size_t i = 0; i <= 30; ++i) REQUIRE(t.d.query(points[i]));
    t.d.wait_sync(points.back());
    for (const event p : points) REQUIRE(t.d.query(p));
  }
}

TEST_CASE("a thread that sleeps for a point is not made to wait for a later one")
{
  fake_runtime::reset();
  bench t;
  fake_runtime::close_gates();
  t.work(t.one);
  const event awaited = t.d.record(t.one);
  fake_runtime::hold_synchronize();  // the thread has chosen its event, but not yet looked at it
  auto first = std::async(std::launch::async, [&] { t.d.wait_sync(awaited); });
  auto second = std::async(std::launch::async, [&] { t.d.wait_sync(awaited); });
  while (fake_runtime::held() != 2) std::this_thread::yield();
  fake_runtime::open_gates();
  while (!t.d.query(awaited)) std::this_thread::yield();  // its event is free to be used again, but for them
  fake_runtime::close_gates();
  event last;
  for (int i = 0; i < 5; ++i) {
    t.work(t.one);
    last = t.d.record(t.one);
  }
  fake_runtime::let_go();
  const bool came_back = first.wait_for(std::chrono::seconds(20)) == std::future_status::ready &&
                         second.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  fake_runtime::open_gates();  // or they would never
  REQUIRE(came_back);
  first.get();
  second.get();
  REQUIRE(t.d.stats().host_waits == 2);
  t.d.wait_sync(last);
  REQUIRE(t.d.stats().events == 6);
  for (int i = 0; i < 6; ++i) {  // and now it is used again
    t.work(t.one);
    (void)t.d.record(t.one);
  }
  REQUIRE(t.d.stats().events == 6);
}

TEST_CASE("a steady state allocates nothing")
{
  fake_runtime::reset();
  bench t;
  std::vector<copy_piece> pieces;
  for (std::size_t i = 0; i < 64; ++i) pieces.push_back({t.mem.data() + i * 512, t.host.data() + i * 512, 256});
  const auto round = [&] {
    t.d.copy_batch(t.one, in, pieces);
    t.d.copy(t.one, in, t.mem.data(), t.host.data(), 64);
    t.d.wait(t.two, t.d.record(t.one));
    t.d.copy_kernel_launch(t.two, {"k", copy_route::to_device}, pieces);
    t.d.launch(t.two, {"l"}, [](cudaStream_t) {});
    const event end = t.d.record(t.two);
    (void)t.d.query(end);
    t.d.wait_sync(end);
  };
  for (int i = 0; i < 10; ++i) round();
  const std::size_t before = kvstrata_test::allocations();
  for (int i = 0; i < 50; ++i) round();
  REQUIRE(kvstrata_test::allocations() == before);
}
