// Real time: deferred streams on threads. Nothing here depends on how fast they are.
#include "device/device_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

/// A kernel that does not end before it is let go: makes "not yet" certain.
class gate
{
 public:
  auto kernel()
  {
    return [opened = opened_.get_future().share()] { opened.wait(); };
  }
  void open() { opened_.set_value(); }

 private:
  std::promise<void> opened_;
};

}  // namespace

TEST_CASE("work is deferred: queueing, record, wait and query do not block")
{
  emulated_device d;
  const auto device = d.allocate_device(64, "device");
  const auto host = d.allocate_pinned(64, "host");
  const stream_id a = d.create_stream("a");
  const stream_id b = d.create_stream("b");
  gate held;
  std::atomic<int> ran{0};
  d.launch(a, {"held"}, held.kernel());
  const event first = d.record(a);
  d.wait(b, first);
  d.launch(b, {"behind"}, [&] { ++ran; });
  host.data()[0] = std::byte{5};
  d.copy(b, in, device.data(), host.data(), 64);
  const event second = d.record(b);
  REQUIRE_FALSE(d.query(first));
  REQUIRE_FALSE(d.query(second));
  REQUIRE(ran == 0);
  REQUIRE(device.data()[0] == std::byte{0});
  held.open();
  d.wait_sync(second);
  REQUIRE(d.query(first));
  REQUIRE(ran == 1);
  REQUIRE(device.data()[0] == std::byte{5});
}

TEST_CASE("streams run beside each other")
{
  emulated_device d;
  const stream_id a = d.create_stream("a");
  const stream_id b = d.create_stream("b");
  gate held;
  d.launch(a, {"held"}, held.kernel());
  d.launch(b, {"opens"}, [&] { held.open(); });  // were they one behind the other, nobody would get here
  d.wait_sync(d.record(a));
  d.wait_sync(d.record(b));
}

TEST_CASE("several threads may sleep for different places of a stream")
{
  emulated_device d;
  const stream_id s = d.create_stream("s");
  std::vector<std::unique_ptr<gate>> gates;
  std::vector<event> points;
  for (int i = 0; i < 6; ++i) {
    gates.push_back(std::make_unique<gate>());
    d.launch(s, {"held"}, gates.back()->kernel());
    points.push_back(d.record(s));
  }
  std::atomic<int> woken{0};
  std::vector<std::thread> sleepers;
  for (std::size_t i = points.size(); i-- > 0;) {
    sleepers.emplace_back([&, i] {
      d.wait_sync(points[i]);
      ++woken;
    });
  }
  for (auto& g : gates) g->open();
  for (std::thread& sleeper : sleepers) sleeper.join();
  REQUIRE(woken == 6);
}

TEST_CASE("a host wait is counted only when the event was not complete")
{
  emulated_device d;
  const stream_id s = d.create_stream("s");
  gate held;
  d.launch(s, {"held"}, held.kernel());
  const event point = d.record(s);
  std::thread waits([&] { d.wait_sync(point); });
  held.open();
  waits.join();
  const auto before = d.stats().host_waits;
  REQUIRE(before <= 1);
  d.wait_sync(point);
  REQUIRE(d.stats().host_waits == before);
}

TEST_CASE("what a kernel holds is gone when its event has come to pass")
{
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    emulated_device_config config;
    config.time = time;
    emulated_device d(config);
    const stream_id s = d.create_stream("s");
    auto token = std::make_shared<int>(1);
    d.launch(s, {"holds"}, [token] {});
    int seen = 0;
    d.launch(s, {"owns"}, [owned = std::make_unique<int>(2), &seen] { seen = *owned; });
    d.wait_sync(d.record(s));
    REQUIRE(seen == 2);
    REQUIRE(token.use_count() == 1);
  }
}

TEST_CASE("destroying a device in real time finishes its work and ends its threads")
{
  std::atomic<int> ran{0};
  {
    emulated_device d;
    const stream_id a = d.create_stream("a");
    const stream_id b = d.create_stream("b");
    (void)d.create_stream("idle");
    for (int i = 0; i < 100; ++i) {
      d.launch(a, {"k"}, [&] { ++ran; });
      d.wait(b, d.record(a));
      d.launch(b, {"k"}, [&] { ++ran; });
      d.wait(a, d.record(b));
    }
  }
  REQUIRE(ran == 200);
}

TEST_CASE("a link takes no less time than it should, however small the copies")
{
  emulated_device_config config;
  config.to_device = {100e6, 1e-6};
  config.trace = true;
  emulated_device d(config);
  const auto device = d.allocate_device(1u << 20, "device");
  const auto host = d.allocate_pinned(1u << 20, "host");
  const stream_id a = d.create_stream("a");
  const stream_id b = d.create_stream("b");
  const double begin = d.now();
  for (std::size_t i = 0; i < 256; ++i) {  // 41 us each: too short to sleep for, one by one
    const std::size_t at = i * 4096;
    d.copy(i % 2 == 0 ? a : b, in, device.data() + at, host.data() + at, 4000);
  }
  d.wait_sync(d.record(a));
  d.wait_sync(d.record(b));
  const double least = 256 * (4000 / 100e6 + 1e-6);
  REQUIRE(d.now() - begin >= least - 51e-6);  // a lower bound is no timing noise
  REQUIRE(d.trace().size() == 256);
  REQUIRE(d.stats().streams[0].busy_seconds > 0);
}

TEST_CASE("fill and poison")
{
  emulated_device_config config;
  config.poison_freed = true;
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    config.time = time;
    emulated_device d(config);
    REQUIRE(d.poison_freed());
    const auto device = d.allocate_device(64, "device");
    const auto back = d.allocate_pinned(64, "back");
    const stream_id s = d.create_stream("s");
    d.fill(s, device.data(), std::byte{3}, 64);
    d.poison(s, device.data() + 16, 16);
    d.copy(s, out, back.data(), device.data(), 64);
    d.wait_sync(d.record(s));
    for (std::size_t i = 0; i < 64; ++i) {
      REQUIRE(back.data()[i] == (i / 16 == 1 ? std::byte{0xFF} : std::byte{3}));
    }
    REQUIRE(d.stats().fills == 2);
  }
}
