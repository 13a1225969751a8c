// Host streams of the emulated device: who sleeps, when answers come in virtual time, and the sentences.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::failure_of;
using kvstrata_test::sentence_of;
constexpr auto in = copy_direction::to_device;

// Powers of two, so that all sums are exact.
emulated_device_config virtually()
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.to_device = {1024.0, 0.5};
  config.trace = true;
  return config;
}

struct bench
{
  explicit bench(const emulated_device_config& config = virtually()) : d(config) {}
  emulated_device d;
  emulated_device::memory slab = d.allocate_device(4096, "slab");
  emulated_device::memory arena = d.allocate_pinned(4096, "arena");
  stream_id compute = d.create_stream("compute");
  stream_id onload = d.create_stream("onload");
  stream_id disk = d.create_host_stream("disk");
  stream_id remote = d.create_host_stream("remote");

  event work(stream_id s, double seconds)
  {
    d.launch(s, {"k", seconds}, [] {});
    return d.record(s);
  }
  double when(event point)
  {
    d.wait_sync(point);
    return d.now();
  }
};

constexpr auto nothing = [] {};

}  // namespace

TEST_CASE("host stream, real time: sleepers wake when their point has passed, in whatever order answers come")
{
  bench t(emulated_device_config{});
  std::vector<event> points;
  for (int i = 0; i < 6; ++i) points.push_back(t.d.promise(t.disk));
  std::atomic<int> woken{0};
  std::vector<std::thread> sleepers;
  for (const event point : points) {
    sleepers.emplace_back([&, point] {
      t.d.wait_sync(point);
      ++woken;
    });
  }
  for (const std::size_t i : {5u, 1u, 3u, 4u, 2u}) t.d.complete(points[i]);
  REQUIRE(woken == 0);
  t.d.complete(points[0]);
  for (std::thread& sleeper : sleepers) sleeper.join();
  REQUIRE(woken == 6);
}

TEST_CASE("host stream, real time: who waits for a promise that nobody keeps is told so, and all goes on")
{
  bench t({.patience_seconds = 0.03125});
  (void)t.d.promise(t.disk);
  const event never = t.d.promise(t.disk);
  const std::string why = "the host has waited for emulated_device.patience_seconds, 0.031250";
  REQUIRE(sentence_of<usage_error>([&] { t.d.wait_sync(never); }) ==
          "the host waits for event 2 of stream 'disk', but event 1 of host stream 'disk' is not completed: " + why);
  t.d.wait(t.compute, never);
  t.d.wait(t.onload, t.work(t.compute, 0));
  const event behind = t.work(t.onload, 0);
  REQUIRE(sentence_of<usage_error>([&] { t.d.wait_sync(behind); }) ==
          "the host waits for event 2 of stream 'onload', but event 1 of host stream 'disk' is not completed: " + why);
  REQUIRE(t.d.stats().host_waits == 0);
  t.d.complete(never);
  t.d.complete({t.disk, 1});
  t.d.wait_sync(behind);
}

TEST_CASE("host stream, real time: a slow stream is not taken for a promise that nobody keeps")
{
  bench t({.patience_seconds = 1e-3});
  (void)t.d.promise(t.disk);
  std::promise<void> gate;
  t.d.launch(t.compute, {"held"}, [&, opened = gate.get_future().share()] { opened.wait(); });
  const event slow = t.d.record(t.compute);
  t.d.wait(t.onload, slow);
  const event behind = t.work(t.onload, 0);
  auto waits = std::async(std::launch::async, [&] { t.d.wait_sync(behind); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // its patience is over long since
  gate.set_value();
  REQUIRE_NOTHROW(waits.get());
}

TEST_CASE("host stream: a failed device promises nothing more, but completes")
{
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    bench t({.time = time});
    const event open = t.d.promise(t.disk);
    t.d.wait(t.compute, open);
    const event behind = t.work(t.compute, 0);
    std::promise<void> gate;  // in real time the device must not have failed before its point is recorded
    t.d.launch(t.onload, {"breaks"}, [opened = gate.get_future().share()] {
      opened.wait();
      throw std::runtime_error("no");
    });
    const event broken = t.d.record(t.onload);
    gate.set_value();
    REQUIRE_THROWS_AS(t.d.wait_sync(broken), device_error);
    REQUIRE_THROWS_AS(t.d.promise(t.disk), device_error);
    REQUIRE_THROWS_AS(t.d.query(open), device_error);
    t.d.complete(open);
    REQUIRE_THROWS_AS(t.d.wait_sync(behind), device_error);  // it has ended all the same
  }
}

TEST_CASE("host stream, virtual time: work behind a point begins when the host completes it")
{
  bench t;
  const event got = t.d.promise(t.disk);
  t.d.wait(t.onload, got);
  t.d.copy(t.onload, in, t.slab.data(), t.arena.data(), 1024);
  const event there = t.d.record(t.onload);
  t.d.advance_host(3);
  REQUIRE_FALSE(t.d.query(there));
  t.d.complete(got);
  REQUIRE(t.d.query(got));
  REQUIRE(t.when(there) == 4.5);
  const auto spans = t.d.trace();
  REQUIRE(spans.size() == 2);
  REQUIRE(spans[0] == op_span{t.onload, "onload", "stall: waits for disk", operation_kind::wait, 0, 3, 0, 0});
  REQUIRE(spans[1].begin == 3);
  REQUIRE(t.d.stats().streams[2].name == "disk");
  REQUIRE(t.d.stats().streams[2].busy_seconds == 0);
}

TEST_CASE("host stream, virtual time: an answer comes so long after its I/O could begin")
{
  bench t;
  const event wrote = t.work(t.compute, 1.5);
  const event sent = t.work(t.onload, 0.25);
  fence ready(wrote);
  ready.add(sent);
  bool ran = false;
  const event put = t.d.promise(t.disk, {.label = "put", .ready = ready});
  t.d.complete_later(put, 2, [&] { ran = true; });
  const event alone = t.d.promise(t.remote);  // waits for nothing
  t.d.complete_later(alone, 2, nothing);
  REQUIRE_FALSE(t.d.query(put));
  REQUIRE(t.when(alone) == 2);
  REQUIRE_FALSE(ran);
  t.d.advance_host(1.25);
  REQUIRE_FALSE(t.d.query(put));
  REQUIRE(t.when(put) == 3.5);
  REQUIRE(ran);
  const event later = t.d.promise(t.disk, {.ready = ready});  // has long been ready: its time runs from now on
  t.d.advance_host(1);
  t.d.complete_later(later, 0.5, nothing);
  REQUIRE(t.when(later) == 5);
}

TEST_CASE("host stream, virtual time: answers that come out of turn pass in turn, and hold up their own stream alone")
{
  bench t;
  std::vector<int> order;
  const double late[] = {4, 1, 2, 6, 3};
  std::vector<event> points;
  for (int i = 0; i < 5; ++i) {
    points.push_back(t.d.promise(t.disk));
    t.d.complete_later(points.back(), late[i], [&order, i] { order.push_back(i); });
  }
  const event elsewhere = t.d.promise(t.remote);
  t.d.complete_later(elsewhere, 0.5, nothing);
  REQUIRE(t.when(elsewhere) == 0.5);
  REQUIRE(t.when(points[0]) == 4);
  REQUIRE(t.d.query(points[1]));
  REQUIRE(t.d.query(points[2]));
  REQUIRE_FALSE(t.d.query(points[3]));
  REQUIRE_FALSE(t.d.query(points[4]));
  REQUIRE(t.when(points[3]) == 6);
  REQUIRE(t.d.query(points[4]));
  REQUIRE((order == std::vector<int>{1, 2, 4, 0, 3}));
}

TEST_CASE("host stream, virtual time: a stream that never answers ends a wait with a sentence, and no other")
{
  bench t;
  const event never = t.d.promise(t.remote);
  const event late = t.d.promise(t.disk, {.ready = never});  // hangs on it, too
  t.d.complete_later(late, 1, nothing);
  t.d.wait(t.compute, late);
  const event behind = t.work(t.compute, 1);
  const stream_id third = t.d.create_host_stream("third");
  const event fine = t.d.promise(third);
  t.d.complete_later(fine, 4, nothing);
  t.d.wait(t.onload, fine);
  const event goes_on = t.work(t.onload, 2);
  const std::string why =
      "event 1 of host stream 'remote' is not completed: nobody else could do that in virtual time, and nothing else "
      "is "
      "going to happen";
  REQUIRE(sentence_of<usage_error>([&] { t.d.wait_sync(behind); }) ==
          "the host waits for event 2 of stream 'compute', but " + why);
  REQUIRE(t.d.now() == 6);  // all has happened that could
  REQUIRE(t.d.query(goes_on));
  REQUIRE(sentence_of<usage_error>([&] { t.d.wait_sync(never); }) ==
          "the host waits for event 1 of stream 'remote', but " + why);
  REQUIRE(sentence_of<usage_error>([&] { t.d.wait_sync(late); }) ==
          "the host waits for event 1 of stream 'disk', but " + why);
  REQUIRE(t.d.now() == 6);
  t.d.advance_host(10);
  REQUIRE_FALSE(t.d.query(late));
  t.d.complete(never);
  REQUIRE(t.when(behind) == 18);
  REQUIRE(t.d.stats().host_waits == 1);
}

TEST_CASE("host stream, virtual time: the I/O of an answer runs when it comes, whatever has become of the device")
{
  for (const bool data : {true, false}) {
    bench t({.time = time_mode::virtual_time, .data = data});
    auto token = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = token;
    double came = 0;
    const event got = t.d.promise(t.disk);
    t.d.complete_later(got, 1, [&came, token = std::move(token)] { came = *token; });
    t.d.launch(t.compute, {"k", 0.5}, [] {});
    t.d.wait_sync(t.d.record(t.compute));
    REQUIRE(came == 0);
    t.d.wait_sync(got);
    REQUIRE(came == 7);
    REQUIRE(watch.expired());
    const event bad = t.d.promise(t.disk);
    t.d.complete_later(bad, 1, [] { throw std::runtime_error("the disk is on fire"); });
    REQUIRE(failure_of([&] { t.d.wait_sync(bad); }) ==
            "host I/O 'event 2' on stream 'disk' failed: the disk is on fire");
    REQUIRE(t.d.now() == 2);
  }
  bench t;
  bool ran = false;
  const event broken = t.d.promise(t.disk);
  t.d.complete_later(broken, 2, [&] { ran = true; });
  t.d.launch(t.compute, {"breaks", 1}, [] { throw 1; });
  REQUIRE_THROWS_AS(t.d.wait_sync(broken), device_error);
  REQUIRE(ran);
}

TEST_CASE("host stream, virtual time: an I/O that calls its device is told so")
{
  bench t;
  const event got = t.d.promise(t.disk);
  t.d.complete_later(got, 1, [&] { (void)t.d.query(got); });
  REQUIRE(
      failure_of([&] { t.d.wait_sync(got); }) ==
      "host I/O 'event 1' on stream 'disk' failed: a kernel called its own device, which must not happen in virtual "
      "time");
}

TEST_CASE("host stream, virtual time: a seed is a run, and other seeds are other runs")
{
  const auto run = [](std::uint64_t seed) {
    auto config = virtually();
    config.seed = seed;
    config.jitter_seconds = 0.5;
    bench t(config);
    std::vector<std::pair<int, double>> told;
    std::vector<event> points;
    std::vector<int> order;
    for (int i = 0; i < 6; ++i) {
      points.push_back(t.d.promise(i % 2 == 0 ? t.disk : t.remote));
      t.d.complete_later(points.back(), 1, [&order, i] { order.push_back(i); });
    }
    for (const event point : points) told.emplace_back(0, t.when(point));
    for (std::size_t i = 0; i < order.size(); ++i) told[i].first = order[i];
    return told;
  };
  std::set<std::vector<std::pair<int, double>>> runs;
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto one = run(seed);
    REQUIRE(one == run(seed));
    runs.insert(one);
    std::vector<int> order;
    for (const auto& [who, time] : one) {
      order.push_back(who);
      REQUIRE(time >= 1);
      REQUIRE(time < 1.5);
    }
    orders.insert(order);
  }
  REQUIRE(runs.size() == 10);
  REQUIRE(orders.size() > 5);
}

TEST_CASE("host stream, virtual time: answers of one instant come in an order drawn from the seed")
{
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    bench t({.time = time_mode::virtual_time, .seed = seed});
    std::vector<int> order;
    event last;
    for (int i = 0; i < 3; ++i) {
      last = t.d.promise(t.disk);
      t.d.complete_later(last, 1, [&order, i] { order.push_back(i); });
    }
    REQUIRE(t.when(last) == 1);
    orders.insert(order);
  }
  REQUIRE(orders.size() == 6);
}

TEST_CASE("host stream, virtual time: destroying a device runs what is still to come")
{
  int ran = 0;
  {
    bench t;
    const event never = t.d.promise(t.remote);
    t.d.complete_later(t.d.promise(t.disk), 5, [&] { ++ran; });
    t.d.complete_later(t.d.promise(t.disk, {.ready = never}), 5, [&] { ++ran; });
    t.d.wait(t.compute, never);
    t.d.launch(t.compute, {"k", 1}, [&] { ++ran; });
  }
  REQUIRE(ran == 3);
}

TEST_CASE("host stream: what is never right earns a sentence")
{
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    bench t({.time = time});
    const event open = t.d.promise(t.disk);
    REQUIRE(sentence_of<usage_error>([&] { (void)t.d.promise(t.compute); }) ==
            "stream 'compute' is no host stream: nothing can be promised or completed there");
    const event worked = t.work(t.compute, 0);
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete(worked); }) ==
            "stream 'compute' is no host stream: nothing can be promised or completed there");
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete({t.disk, 2}); }) ==
            "event 2 of stream 'disk' was never recorded: the last promise there is number 1");
    REQUIRE(sentence_of<usage_error>([&] { (void)t.d.promise(t.disk, {.ready = event{t.remote, 1}}); }) ==
            "event 1 of stream 'remote' was never recorded: the last promise there is number 0");
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete({stream_id{9}, 1}); }) ==
            "stream 9 is unknown: this device has 4 streams");
    REQUIRE(sentence_of<usage_error>([&] { t.d.wait(t.disk, worked); }) ==
            "wait on stream 'disk': it is a host stream, which carries out no work and waits for nothing");
    REQUIRE(sentence_of<usage_error>([&] { t.d.copy(t.disk, in, t.slab.data(), t.arena.data(), 8); }) ==
            "copy to device on stream 'disk': it is a host stream, which carries out no work and waits for nothing");
    REQUIRE(sentence_of<usage_error>([&] { t.d.fill(t.disk, t.slab.data(), {}, 8); }) ==
            "fill on stream 'disk': it is a host stream, which carries out no work and waits for nothing");
    REQUIRE(sentence_of<usage_error>([&] { t.d.launch(t.disk, {"attention"}, [] {}); }) ==
            "kernel on stream 'disk': it is a host stream, which carries out no work and waits for nothing");
    REQUIRE((t.d.record(t.disk) == open));
    t.d.complete(open);
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete(open); }) ==
            "event 1 of host stream 'disk' has been completed already");
    const event behind = t.d.promise(t.disk, {.ready = t.d.promise(t.remote)});
    REQUIRE(sentence_of<usage_error>([&] { t.d.complete(behind); }) ==
            "event 2 of host stream 'disk' was completed before event 1 of stream 'remote', which its I/O is to wait "
            "for, had come to pass");
    REQUIRE_FALSE(t.d.query(behind));
    t.d.complete({t.remote, 1});
    t.d.complete(behind);
    REQUIRE(t.d.query(behind));
  }
  bench t(emulated_device_config{});
  const event open = t.d.promise(t.disk);
  REQUIRE(sentence_of<usage_error>([&] { t.d.complete_later(open, 1, nothing); }) ==
          "complete_later was called, but it needs virtual time: in real time a thread of the host's completes");
  bench v;
  const event scheduled = v.d.promise(v.disk);
  REQUIRE(sentence_of<usage_error>([&] { v.d.complete_later(scheduled, -1, nothing); }) ==
          "complete_later was given -1.000000 seconds, but it must be at least 0");
  v.d.complete_later(scheduled, 1, nothing);
  const std::string by_itself =
      "event 1 of host stream 'disk' is completed by itself: complete_later has been called for it";
  REQUIRE(sentence_of<usage_error>([&] { v.d.complete_later(scheduled, 1, nothing); }) == by_itself);
  REQUIRE(sentence_of<usage_error>([&] { v.d.complete(scheduled); }) == by_itself);
  REQUIRE(v.when(scheduled) == 1);
}

TEST_CASE("host stream: memory that is freed under an open point stays mapped until it passes")
{
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    bench t({.time = time, .check_ordering = true});
    auto frames = t.d.allocate_pinned(64, "frames");
    std::byte* const data = frames.data();
    const byte_range writes[] = {{data, 64}};
    const event got = t.d.promise(t.disk, {.label = "get", .writes = writes});
    frames = {};
    data[5] = std::byte{1};  // the I/O, which nobody has told
    t.d.complete(got);
    const auto found = t.d.violations();
    REQUIRE(found.size() == 1);
    REQUIRE(to_string(found[0]) ==
            "'get' (operation 1 of stream 'disk', writes) and 'free' (on the host, writes) both touch bytes [0, 64) of "
            "'frames', and nothing orders them");
  }
}

TEST_CASE("host stream: a steady state of promises allocates nothing")
{
  for (const time_mode time : {time_mode::real, time_mode::virtual_time}) {
    bench t({.time = time});
    std::vector<event> open;
    open.reserve(16);
    const auto round = [&] {
      for (int i = 0; i < 10; ++i) open.push_back(t.d.promise(t.disk, {.ready = t.d.record(t.remote)}));
      for (std::size_t i = open.size(); i-- > 0;) t.d.complete(open[i]);
      for (const event point : open) {
        if (!t.d.query(point)) return false;
      }
      open.clear();
      return true;
    };
    REQUIRE(round());
    const std::size_t before = kvstrata_test::allocations();
    bool all = true;
    for (int i = 0; i < 50; ++i) all = round() && all;
    const std::size_t after = kvstrata_test::allocations();
    REQUIRE(all);
    REQUIRE(after == before);
  }
}
