// The four orderings every cache must keep, each broken on purpose and each kept, on a device under several seeds.
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

struct scene
{
  explicit scene(std::uint64_t seed, bool real = false) : d(config_of(seed, real)) {}
  static emulated_device_config config_of(std::uint64_t seed, bool real)
  {
    emulated_device_config config;
    config.check_ordering = true;
    if (real) return config;
    config.time = time_mode::virtual_time;
    config.seed = seed;
    config.jitter_seconds = 1e-3;
    config.to_device = config.from_device = {1e9, 1e-6};
    config.poison_freed = true;
    return config;
  }
  void compute(std::string_view label, std::size_t page, bool writes)
  {
    const emulated_device::memory_range range[] = {{slab.data() + page * 4096, 4096}};
    if (writes) d.launch(computing, {label, 1e-4, {}, range}, [] {});
    else d.launch(computing, {label, 1e-4, range, {}}, [] {});
  }
  void drain()
  {
    for (const stream_id s : {computing, onload, offload}) d.wait_sync(d.record(s));
  }

  emulated_device d;
  emulated_device::memory slab = d.allocate_device(16 * 4096, "slab");
  std::optional<emulated_device::memory> arena = d.allocate_pinned(16 * 4096, "arena");
  stream_id computing = d.create_stream("compute");
  stream_id onload = d.create_stream("onload");
  stream_id offload = d.create_stream("offload");
};

/// Runs a case under several seeds, as it should be and with its ordering left out.
template <class Case>
void expect(std::string_view first, std::string_view second, std::string_view region, Case&& run)
{
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    {
      scene right(seed);
      run(right, true);
      right.drain();
      REQUIRE(right.d.violations().empty());
    }
    scene wrong(seed);
    run(wrong, false);
    wrong.drain();
    const auto found = wrong.d.violations();
    REQUIRE(found.size() == 1);
    REQUIRE(found[0].first.label == first);
    REQUIRE(found[0].second.label == second);
    REQUIRE(found[0].region == region);
    REQUIRE(found[0].begin == 4096);
    REQUIRE(found[0].end == 8192);
  }
}

}  // namespace

TEST_CASE("ordering: an offload reads after the compute that wrote")
{
  expect("append", "copy from device", "slab", [](scene& t, bool ordered) {
    t.compute("append", 1, true);
    if (ordered) t.d.wait(t.offload, t.d.record(t.computing));
    t.d.copy(t.offload, out, t.arena->data(), t.slab.data() + 4096, 4096);
  });
}

TEST_CASE("ordering: an onload lands after the last reader of those pages")
{
  expect("attention", "copy to device", "slab", [](scene& t, bool ordered) {
    t.compute("attention", 1, false);
    if (ordered) t.d.wait(t.onload, t.d.record(t.computing));
    t.d.copy(t.onload, in, t.slab.data() + 4096, t.arena->data(), 4096);
  });
}

TEST_CASE("ordering: the compute that reads a page waits for the onload")
{
  expect("copy to device", "attention", "slab", [](scene& t, bool ordered) {
    t.d.copy(t.onload, in, t.slab.data() + 4096, t.arena->data(), 4096);
    if (ordered) t.d.wait(t.computing, t.d.record(t.onload));
    t.compute("attention", 1, false);
  });
}

TEST_CASE("ordering: a staging slot is refilled after its last copy")
{
  expect("copy to device", "copy from device", "arena", [](scene& t, bool ordered) {
    std::byte* const slot = t.arena->data() + 4096;
    t.d.copy(t.onload, in, t.slab.data(), slot, 4096);
    if (ordered) t.d.wait(t.offload, t.d.record(t.onload));
    t.d.copy(t.offload, out, slot, t.slab.data() + 3 * 4096, 4096);
  });
  expect("copy to device", "refill", "arena", [](scene& t, bool ordered) {
    std::byte* const slot = t.arena->data() + 4096;
    t.d.copy(t.onload, in, t.slab.data(), slot, 4096);
    if (ordered) t.d.wait_sync(t.d.record(t.onload));
    t.d.host_writes(slot, 4096, "refill");
  });
}

TEST_CASE("ordering: host memory is freed after the copy that reads it is done")
{
  expect("copy to device", "free", "arena", [](scene& t, bool ordered) {
    t.d.copy(t.onload, in, t.slab.data(), t.arena->data() + 4096, 4096);
    if (ordered) t.d.wait_sync(t.d.record(t.onload));
    t.arena.reset();
  });
}

TEST_CASE("ordering: freed pages are poisoned behind their last reader")
{
  expect("attention", "poison", "slab", [](scene& t, bool ordered) {
    t.compute("attention", 1, false);
    if (ordered) t.d.wait(t.offload, t.d.record(t.computing));
    t.d.poison(t.offload, t.slab.data() + 4096, 4096);
  });
}

TEST_CASE("ordering: a query that says yes orders as a wait does, one that says no does not")
{
  enum { not_asked, asked_too_early, asked };
  for (const int when : {not_asked, asked_too_early, asked}) {
    scene t(3);
    t.compute("append", 1, true);
    const event wrote = t.d.record(t.computing);
    if (when == asked_too_early) REQUIRE_FALSE(t.d.query(wrote));
    t.d.advance_host(1);
    if (when == asked) REQUIRE(t.d.query(wrote));
    t.d.copy(t.offload, out, t.arena->data(), t.slab.data() + 4096, 4096);
    REQUIRE(t.d.violations().empty() == (when == asked));
  }
}

TEST_CASE("ordering: what is freed too early shows, and does not crash")
{
  scene t(1);
  t.d.copy(t.onload, in, t.slab.data(), t.arena->data() + 4096, 4096);
  t.arena.reset();
  REQUIRE(t.d.pinned_bytes_used() == 0);
  t.drain();
  REQUIRE(t.slab.data()[0] == std::byte{0xFF});  // the copy read poison
  REQUIRE(t.d.violations().size() == 1);
}

TEST_CASE("ordering: real time is checked as well, whatever order things ran in")
{
  for (int round = 0; round < 5; ++round) {
    scene t(0, true);
    t.d.copy(t.onload, in, t.slab.data(), t.arena->data(), 4096);
    const event loaded = t.d.record(t.onload);
    t.d.copy(t.offload, out, t.arena->data() + 8192, t.slab.data() + 8192, 4096);
    const emulated_device::memory_range page[] = {{t.slab.data(), 4096}};
    t.d.launch(t.computing, {"attention", 0, page, {}}, [] {});
    REQUIRE(t.d.violations().size() == 1);
    t.d.wait(t.computing, loaded);
    t.d.launch(t.computing, {"attention", 0, page, {}}, [] {});
    REQUIRE(t.d.violations().size() == 1);
  }
}

TEST_CASE("ordering: without the check nothing is kept")
{
  emulated_device d;
  const auto slab = d.allocate_device(4096, "slab");
  const stream_id a = d.create_stream("a");
  const stream_id b = d.create_stream("b");
  d.fill(a, slab.data(), std::byte{1}, 8);
  d.wait_sync(d.record(a));
  d.fill(b, slab.data(), std::byte{1}, 8);
  REQUIRE(d.violations().empty());
}
