// What orders the host's I/Os, and what does not: the checker against an oracle, races planted on a device, and programs
// whose result must not depend on who is late.
#include "device/host_program.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated/ordering_checker.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using emulated::ordering_checker;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

/// Tells a checker of a program; labels are the numbers of its steps.
void tell(ordering_checker& checker, const kvstrata_test::host_program& p, std::vector<std::byte>& cells)
{
  using kind = kvstrata_test::host_step::kind;
  for (std::size_t s = 0; s < p.streams + p.host_streams; ++s) checker.add_stream("s");
  checker.add_region(cells.data(), cells.size(), "cells");
  std::vector<event> points(p.steps.size());
  std::vector<std::uint64_t> last(p.streams + p.host_streams, 0);
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    const auto& s = p.steps[i];
    if (s.what == kind::host_wait) {
      checker.host_learns(points[s.awaited[0]]);
      continue;
    }
    const std::size_t line = s.line + (s.what == kind::io ? p.streams : 0);
    points[i] = {static_cast<stream_id>(line), ++last[line]};
    const byte_range reads[] = {{cells.data() + s.reads, s.cells}};
    const byte_range writes[] = {{cells.data() + s.writes, s.cells}};
    if (s.what == kind::wait) {
      if (points[s.awaited[0]].stream != points[i].stream) checker.wait(points[i], points[s.awaited[0]]);
    } else if (s.what == kind::work) {
      checker.operation(points[i], std::to_string(i), reads, writes);
    } else {
      fence ready;
      for (const std::size_t a : s.awaited) ready.add(points[a]);
      checker.promise(points[i], checker.label_number(std::to_string(i)), ready, reads, writes);
    }
  }
}

/// A memory tier's frame, a device page above it and a store below it.
struct scene
{
  explicit scene(std::uint64_t seed) : d(config_of(seed)) {}
  static emulated_device_config config_of(std::uint64_t seed)
  {
    emulated_device_config config;
    config.time = time_mode::virtual_time;
    config.seed = seed;
    config.jitter_seconds = 1e-3;
    config.to_device = config.from_device = {1e9, 1e-6};
    config.check_ordering = true;
    return config;
  }
  event offload()
  {
    d.copy(offloads, out, frames.data(), pages.data() + 4096, 4096);
    return d.record(offloads);
  }
  event onload()
  {
    d.copy(onloads, in, pages.data(), frames.data(), 4096);
    return d.record(onloads);
  }
  event put(const fence& ready, stream_id on)
  {
    const byte_range reads[] = {{frames.data(), 4096}};
    const event done = d.promise(on, {.label = "put", .ready = ready, .reads = reads});
    d.complete_later(done, 1e-3, [] {});
    return done;
  }
  event get(const fence& ready, stream_id on)
  {
    const byte_range writes[] = {{frames.data(), 4096}};
    const event done = d.promise(on, {.label = "get", .ready = ready, .writes = writes});
    d.complete_later(done, 1e-3, [] {});
    return done;
  }

  emulated_device d;
  emulated_device::memory pages = d.allocate_device(8192, "pages");
  emulated_device::memory frames = d.allocate_pinned(4096, "frames");
  stream_id onloads = d.create_stream("onload");
  stream_id offloads = d.create_stream("offload");
  stream_id lane = d.create_host_stream("lane");
  stream_id other = d.create_host_stream("other lane");
};

/// Runs a case under several seeds, as it should be and with its ordering left out.
template <class Case>
void expect(std::string_view first, std::string_view second, Case&& run)
{
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    for (const bool right : {true, false}) {
      scene t(seed);
      run(t, right);
      for (std::uint32_t i = 0; i < 4; ++i) t.d.wait_sync(t.d.record(stream_id{i}));
      const auto found = t.d.violations();
      REQUIRE(found.size() == (right ? 0 : 1));
      if (right) continue;
      REQUIRE(found[0].first.label == first);
      REQUIRE(found[0].second.label == second);
      REQUIRE(found[0].region == "frames");
      REQUIRE(found[0].begin == 0);
      REQUIRE(found[0].end == 4096);
    }
  }
}

}  // namespace

TEST_CASE("host stream ordering: a put reads its frames behind the copy that filled them")
{
  expect("copy from device", "put", [](scene& t, bool right) {
    const event filled = t.offload();
    t.put(right ? fence(filled) : fence(), t.lane);
  });
}

TEST_CASE("host stream ordering: a frame is refilled behind the put that reads it")
{
  expect("put", "copy from device", [](scene& t, bool right) {
    const event done = t.put({}, t.lane);
    if (right) t.d.wait(t.offloads, done);
    t.offload();
  });
}

TEST_CASE("host stream ordering: an onload reads a frame behind the get that filled it")
{
  expect("get", "copy to device", [](scene& t, bool right) {
    const event got = t.get({}, t.lane);
    if (right) t.d.wait(t.onloads, got);
    t.onload();
  });
}

TEST_CASE("host stream ordering: a get overwrites a frame behind the copy that read it")
{
  expect("copy to device", "get", [](scene& t, bool right) {
    const event read = t.onload();
    t.get(right ? fence(read) : fence(), t.lane);
  });
}

TEST_CASE("host stream ordering: two I/Os of one host stream run side by side")
{
  expect("put", "get", [](scene& t, bool right) {
    const event done = t.put({}, t.lane);
    t.get(right ? fence(done) : fence(), t.lane);
  });
}

TEST_CASE("host stream ordering: two gets of one frame clash on two host streams, too")
{
  expect("get", "get", [](scene& t, bool right) {
    const event done = t.get({}, t.lane);
    t.get(right ? fence(done) : fence(), t.other);
  });
}

TEST_CASE("host stream ordering: a later point of the host stream stands for the earlier ones")
{
  expect("put", "copy from device", [](scene& t, bool right) {
    (void)t.put({}, t.lane);
    const event later = t.d.promise(t.lane);
    t.d.complete_later(later, 0, [] {});
    const event elsewhere = t.d.promise(t.other);
    t.d.complete_later(elsewhere, 0, [] {});
    t.d.wait(t.offloads, right ? later : elsewhere);
    t.offload();
  });
}

TEST_CASE("host stream ordering: what an I/O is ready behind is passed on by its point")
{
  expect("copy to device", "copy from device", [](scene& t, bool right) {
    const event read = t.onload();
    const event done = t.put(right ? fence(read) : fence(), t.lane);
    t.d.wait(t.offloads, done);
    t.offload();
  });
}

TEST_CASE("host stream ordering: completing teaches the host nothing, asking does")
{
  expect("put", "copy from device", [](scene& t, bool right) {
    const byte_range reads[] = {{t.frames.data(), 4096}};
    const event done = t.d.promise(t.lane, {.label = "put", .reads = reads});
    t.d.complete(done);  // by some thread: whoever queues the refill cannot know
    if (right) REQUIRE(t.d.query(done));
    t.offload();
  });
}

TEST_CASE("host stream ordering: what the host knows when it promises is before the I/O, what it learns later is not")
{
  expect("copy to device", "get", [](scene& t, bool right) {
    const event read = t.onload();
    if (right) t.d.wait_sync(read);
    t.get({}, t.lane);
    t.d.wait_sync(read);
  });
}

TEST_CASE("host stream ordering: one I/O may touch the same bytes twice")
{
  scene t(0);
  const byte_range pieces[] = {{t.frames.data(), 64}, {t.frames.data() + 32, 64}};
  const event got = t.d.promise(t.lane, {.label = "get", .reads = pieces, .writes = pieces});
  t.d.complete(got);
  REQUIRE(t.d.violations().empty());
}

TEST_CASE("host stream ordering: the checker against the transitive closure, over random programs")
{
  std::size_t clean = 0;
  std::size_t racy = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const auto p = kvstrata_test::random_host_program(seed, 6 + seed % 30, 20 + static_cast<unsigned>(seed % 60));
    const auto expected = kvstrata_test::races_of(p);
    std::vector<std::byte> cells(p.cells);
    ordering_checker checker;
    tell(checker, p, cells);
    // It need not find every race of a racy program, but one, and none that is not there.
    CAPTURE(seed);
    REQUIRE(checker.violations().empty() == expected.empty());
    for (const ordering_violation& v : checker.violations()) {
      REQUIRE(expected.count({std::stoul(v.first.label), std::stoul(v.second.label)}) == 1);
    }
    ++(expected.empty() ? clean : racy);
  }
  REQUIRE(clean > 300);
  REQUIRE(racy > 300);
}

TEST_CASE("host stream ordering: a program without races has one result, whoever is late")
{
  std::size_t runs = 0;
  std::size_t ios = 0;
  std::size_t threads = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto p = kvstrata_test::random_host_program(seed, 6 + seed % 30, 20 + static_cast<unsigned>(seed % 60));
    if (!kvstrata_test::races_of(p).empty()) continue;
    const auto expected = kvstrata_test::run_in_order(p);
    CAPTURE(seed);
    for (std::uint64_t schedule = 0; schedule < 4; ++schedule) {
      emulated_device_config config;
      config.time = time_mode::virtual_time;
      config.seed = seed + schedule;
      config.jitter_seconds = schedule == 0 ? 0 : 1;
      config.check_ordering = true;
      emulated_device d(config);
      REQUIRE(kvstrata_test::run_on(d, p) == expected);
      REQUIRE(d.violations().empty());
    }
    ++runs;
    for (const auto& s : p.steps) ios += s.what == kvstrata_test::host_step::kind::io ? 1 : 0;
    if (runs % 8 != 0) continue;
    emulated_device d;
    REQUIRE(kvstrata_test::run_on(d, p) == expected);
    ++threads;
  }
  REQUIRE(runs > 400);
  REQUIRE(ios > 1000);
  REQUIRE(threads > 50);
}
