// Copies that fail, come late or come out of turn, because a test asked for it.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::failure_of;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

emulated_device_config slow_links()
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.to_device = {1024.0, 0};
  config.from_device = {1024.0, 0};
  config.trace = true;
  return config;
}

struct bench
{
  explicit bench(const emulated_device_config& config) : d(config) {}
  emulated_device d;
  emulated_device::memory slab = d.allocate_device(16384, "slab");
  emulated_device::memory arena = d.allocate_pinned(16384, "arena");
  stream_id a = d.create_stream("a");
  stream_id b = d.create_stream("b");

  /// Three ways to move 1024 bytes to the device at 1024 * number: a copy, a batch, a copy kernel.
  void move(stream_id s, int way, std::size_t number)
  {
    std::byte* const dst = slab.data() + 1024 * number;
    const std::byte* const src = arena.data() + 1024 * number;
    const copy_piece halves[] = {{dst, src, 512}, {dst + 512, src + 512, 512}};
    if (way == 0) d.copy(s, in, dst, src, 1024);
    else if (way == 1) d.copy_batch(s, in, halves);
    else d.copy_kernel_launch(s, {"mover", copy_route::to_device}, halves);
  }
  void write_arena()
  {
    for (std::size_t i = 0; i < arena.size(); ++i) arena.data()[i] = static_cast<std::byte>(1 + i / 1024);
  }
  /// Bytes of the device that are as the arena has them, by KiB.
  std::string arrived() const
  {
    std::string told;
    for (std::size_t i = 0; i < slab.size(); ++i) {
      if (i % 1024 == 0) told += 'y';
      if (slab.data()[i] != arena.data()[i]) told.back() = slab.data()[i] == std::byte{0} ? '.' : '?';
    }
    return told;
  }
};

}  // namespace

TEST_CASE("the failure that was asked for strikes copies, batches and copy kernels alike")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  const int way = GENERATE(0, 1, 2);
  emulated_device_config config;
  config.time = time;
  bench t(config);
  t.write_arena();
  t.d.fail_next_copy(4);
  const int order[] = {0, 1, 2, 0, way, 1};
  for (std::size_t i = 0; i < 6; ++i) {
    t.move(t.a, order[i], i);
    t.d.launch(t.a, {"between"}, [] {});
    t.d.fill(t.a, t.slab.data() + 8192, std::byte{1}, 1);  // neither kernels nor fills count
  }
  const std::string what = way == 2 ? "copy kernel 'mover'" : "copy to device";
  REQUIRE(failure_of([&] { t.d.wait_sync(event{t.a, 18}); }) ==
          what + " of 1024 bytes on stream 'a' failed: the failure was injected");
  REQUIRE(t.arrived().substr(0, 6) == "yyyy..");  // none of its pieces, and nothing afterwards
}

TEST_CASE("a copy that is refused is not queued, and the device works on")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  const int way = GENERATE(0, 1, 2);
  emulated_device_config config;
  config.time = time;
  bench t(config);
  t.write_arena();
  const auto refusal = [&] {
    try {
      t.move(t.a, way, 1);
    } catch (const copy_refused& thrown) {
      return std::string(thrown.what());
    }
    return std::string("nothing was thrown");
  };
  const std::string what = way == 2 ? "copy kernel 'mover'" : "copy to device";
  const std::string said = what + " of 1024 bytes on stream 'a' was refused: the refusal was injected";
  t.d.refuse_next_copy(1, 2);
  t.move(t.a, way, 0);
  REQUIRE_THROWS_AS(t.d.copy(t.a, in, nullptr, t.arena.data(), 8), usage_error);  // uses up nothing
  REQUIRE(refusal() == said);
  REQUIRE(refusal() == said);
  t.move(t.a, way, 2);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.arrived().substr(0, 4) == "y.y.");
  REQUIRE(t.d.stats().launches() == 2);
  t.d.refuse_next_copy();
  t.d.fail_next_copy();
  REQUIRE(refusal() == said);  // and the failure is the next one's
  t.move(t.a, way, 3);
  REQUIRE_THROWS_AS(t.d.wait_sync(event{t.a, 3}), device_error);
}

TEST_CASE("a call that was turned down or moved nothing does not use up a failure or a delay")
{
  bench t(slow_links());
  t.d.delay_next_copy(2);
  REQUIRE_THROWS_AS(t.d.copy(t.a, in, nullptr, t.arena.data(), 8), usage_error);
  t.d.copy_batch(t.a, in, {});
  t.move(t.a, 1, 0);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 3);
  t.d.fail_next_copy();
  REQUIRE_THROWS_AS(t.d.copy(t.a, in, nullptr, t.arena.data(), 8), usage_error);
  t.d.copy_kernel_launch(t.a, {}, {});
  t.d.wait_sync(t.d.record(t.a));
  t.move(t.a, 2, 0);
  REQUIRE_THROWS_AS(t.d.wait_sync(event{t.a, 2}), device_error);
}

TEST_CASE("virtual time: one copy, batch or copy kernel takes so much longer, and its link is held as long")
{
  const int way = GENERATE(0, 1, 2);
  bench t(slow_links());
  t.write_arena();
  t.d.delay_next_copy(2.5, 1);
  t.move(t.a, 0, 0);    // 0 to 1
  t.move(t.a, way, 1);  // 1 to 4.5
  t.move(t.a, way, 2);  // 4.5 to 5.5
  t.d.wait(t.b, event{t.a, 1});
  t.d.copy(t.b, out, t.arena.data() + 8192, t.slab.data() + 8192, 1024);  // the other link: 1 to 2
  t.move(t.b, 0, 3);                                                      // behind the late one
  t.d.wait_sync(event{t.a, 1});
  REQUIRE(t.d.now() == 1);
  t.d.advance_host(3);
  REQUIRE(t.arrived().substr(0, 4) == "y...");  // its bytes are late, not only its event
  REQUIRE_FALSE(t.d.query(event{t.a, 2}));
  t.d.wait_sync(event{t.a, 2});
  REQUIRE(t.d.now() == 4.5);
  t.d.wait_sync(t.d.record(t.a));
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 6.5);
  REQUIRE(t.arrived().substr(0, 4) == "yyyy");
  REQUIRE(t.d.stats().streams[0].busy_seconds == 5.5);
}

TEST_CASE("virtual time: a copy kernel on the device can be late, too; a second request replaces the first")
{
  bench t(slow_links());
  const copy_piece within[] = {{t.slab.data(), t.slab.data() + 4096, 64}};
  t.d.delay_next_copy(100, 7);
  t.d.delay_next_copy(4);
  t.d.copy_kernel_launch(t.a, {"promote", copy_route::on_device}, within);
  t.move(t.b, 0, 2);  // its link is free
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.now() == 1);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 4);
  for (int i = 0; i < 10; ++i) t.move(t.a, 0, 0);
  t.d.wait_sync(t.d.record(t.a));
  REQUIRE(t.d.now() == 14);  // once means once
}

TEST_CASE("real time: a delayed operation takes no less than its delay, on a free link, too")
{
  const int way = GENERATE(0, 1, 2, 3);
  emulated_device_config config;
  config.trace = true;
  bench t(config);
  t.write_arena();
  t.d.delay_next_copy(0.02, 1);
  t.move(t.a, 0, 0);
  const copy_piece within[] = {{t.slab.data() + 1024, t.slab.data(), 64}};
  if (way == 3) t.d.copy_kernel_launch(t.a, {"promote", copy_route::on_device}, within);
  else t.move(t.a, way, 1);
  t.d.wait_sync(t.d.record(t.a));
  const std::vector<op_span> spans = t.d.trace();
  REQUIRE(spans.size() == 2);
  REQUIRE(spans[1].end - spans[1].begin >= 0.02);  // a lower bound is no timing noise
  REQUIRE(t.arrived()[0] == 'y');
  if (way != 3) REQUIRE(t.arrived()[1] == 'y');
}

TEST_CASE("real time: a delayed operation has its effect after the delay")
{
  const int way = GENERATE(0, 1, 2);
  bench t(emulated_device_config{});
  const double begin = t.d.now();
  t.d.delay_next_copy(0.03);
  t.d.fail_next_copy();  // an effect that may be looked for while the operation is under way
  t.move(t.a, way, 0);
  const auto has_failed = [&] { return failure_of([&] { (void)t.d.query(event{}); }) != "nothing was thrown"; };
  while (!has_failed()) std::this_thread::yield();
  REQUIRE(t.d.now() - begin >= 0.03);
}

TEST_CASE("a link that serves out of turn draws the order from the seed, and keeps that of each stream")
{
  // a's copies are queued first, b's come while the first of them is on its way: first come, first served would take
  // turns. The label is the place: streams a and b are told by case.
  const auto order_of = [](std::uint64_t seed, bool reorder, int way) {
    emulated_device_config config = slow_links();
    config.seed = seed;
    config.reorder_copies = reorder;
    bench t(config);
    t.write_arena();
    for (std::size_t i = 0; i < 3; ++i) t.move(t.a, way, i);
    t.d.advance_host(0.5);
    for (std::size_t i = 3; i < 6; ++i) t.move(t.b, way, i);
    t.d.wait_sync(t.d.record(t.a));
    t.d.wait_sync(t.d.record(t.b));
    REQUIRE(t.d.now() == 6);  // the link is never left idle
    REQUIRE(t.arrived().substr(0, 6) == "yyyyyy");
    std::string order;
    for (const op_span& span : t.d.trace()) {
      order += span.stream_name;
      REQUIRE(span.end - span.begin == 1);
    }
    return order;
  };
  for (const int way : {0, 1, 2}) {
    std::set<std::string> in_turn;
    std::set<std::string> out_of_turn;
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
      in_turn.insert(order_of(seed, false, way));
      out_of_turn.insert(order_of(seed, true, way));
      REQUIRE(order_of(seed, true, way) == order_of(seed, true, way));
    }
    REQUIRE(in_turn == std::set<std::string>{"ababab"});
    REQUIRE(out_of_turn.size() >= 6);
    REQUIRE(out_of_turn.count("aaabbb") == 1);
    REQUIRE(out_of_turn.count("abbbaa") == 1);
  }
}

TEST_CASE("out of turn or not, each stream's copies land in the order they were queued, and waits hold")
{
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    emulated_device_config config = slow_links();
    config.seed = seed;
    config.reorder_copies = true;
    config.jitter_seconds = seed % 2 == 0 ? 0 : 0.5;
    config.check_ordering = true;
    bench t(config);
    t.write_arena();
    std::vector<stream_id> streams{t.a, t.b, t.d.create_stream("c"), t.d.create_stream("e")};
    for (std::size_t round = 0; round < 8; ++round) {
      for (std::size_t s = 0; s < streams.size(); ++s) {  // all to one place of the stream's own
        t.d.copy(streams[s], in, t.slab.data() + s * 1024, t.arena.data() + ((round + s) % 8) * 1024, 1024);
      }
    }
    for (const stream_id s : streams) t.d.wait(t.a, t.d.record(s));
    t.d.copy(t.a, out, t.arena.data() + 8192, t.slab.data(), 4096);
    t.d.wait_sync(t.d.record(t.a));
    for (std::size_t s = 0; s < streams.size(); ++s) {
      REQUIRE(t.arena.data()[8192 + s * 1024] == static_cast<std::byte>(1 + (7 + s) % 8));
    }
    REQUIRE(t.d.violations().empty());
  }
}
