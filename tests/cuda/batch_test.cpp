// Batches of copies, capped and counted; what else is counted.
#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <cstring>
#include <vector>

using namespace kvstrata;

TEST_CASE("a long batch is cut into calls of at most so many pieces, and moves them all")
{
  const std::size_t cap = GENERATE(1u, 2u, 7u, 100u, 4096u);
  cuda_device d({.batch_pieces = cap});
  constexpr std::size_t bytes = 1u << 16;
  const auto mem = d.allocate_device(bytes, "mem");
  const auto host = d.allocate_pinned(bytes, "host");
  const auto back = d.allocate_pinned(bytes, "back");
  const stream_id s = d.create_stream("s");
  kvstrata_test::write_pattern(host.data(), bytes, 3);
  std::memset(back.data(), 0, bytes);
  std::vector<copy_piece> up;
  std::vector<copy_piece> down;
  for (std::size_t i = 0; i < 100; ++i) {  // there one by one, back in another order
    const std::size_t j = i * 37 % 100;
    up.push_back({mem.data() + i * 600, host.data() + j * 600, 600});
    down.push_back({back.data() + j * 600, mem.data() + i * 600, 600});
  }
  d.copy_batch(s, copy_direction::to_device, up);
  d.copy_batch(s, copy_direction::from_device, down);
  d.wait_sync(d.record(s));
  REQUIRE(kvstrata_test::has_pattern(back.data(), 100 * 600, 3));

  const cuda_device_counters told = d.stats();
  REQUIRE((told.to_device == device_counters::traffic{1, 60000, 100}));
  REQUIRE((told.from_device == device_counters::traffic{1, 60000, 100}));
  REQUIRE((told.on_device == device_counters::traffic{}));
  const std::uint64_t calls = told.loose_pieces == 200 ? 0 : 2 * ((100 + cap - 1) / cap);  // an old driver takes none
  if (cap > 1) REQUIRE(told.batch_calls + (told.loose_pieces % 200 == 0 ? 0 : 2) == calls);
  if (cap == 1) REQUIRE(told.batch_calls + told.loose_pieces == 200);
}

TEST_CASE("what was asked for is counted by route and kind")
{
  cuda_device d({.poison_freed = true});
  const auto mem = d.allocate_device(4096, "mem");
  const auto host = d.allocate_pinned(4096, "host");
  const stream_id a = d.create_stream("a");
  const stream_id b = d.create_stream("b");
  // Nothing orders the two streams: each has bytes of its own.
  d.copy(a, copy_direction::to_device, mem.data(), host.data(), 100);
  d.copy(a, copy_direction::from_device, host.data(), mem.data(), 50);
  std::byte* const own = mem.data() + 512;
  const copy_piece within[] = {{own, own + 1024, 10}, {own + 64, own + 2048, 20}};
  d.copy_kernel_launch(b, {"within", copy_route::on_device}, within);
  const copy_piece up[] = {{own, host.data() + 512, 5}};
  d.copy_kernel_launch(b, {"up", copy_route::to_device}, up);
  d.copy_batch(b, copy_direction::to_device, {});
  d.launch(b, {"nothing"}, [](cudaStream_t) {});
  d.fill(b, own, std::byte{}, 7);
  d.poison(b, own, 7);
  d.wait_sync(d.record(a));
  d.wait_sync(d.record(b));
  const cuda_device_counters told = d.stats();
  REQUIRE((told.to_device == device_counters::traffic{1, 105, 2}));
  REQUIRE((told.from_device == device_counters::traffic{1, 50, 1}));
  REQUIRE((told.on_device == device_counters::traffic{0, 30, 2}));
  REQUIRE(told.kernels == 3);
  REQUIRE(told.fills == 2);
  REQUIRE(told.streams.size() == 2);
  REQUIRE(told.streams[0].name == "a");
  REQUIRE(told.streams[0].busy_seconds == 0);  // nobody traced
}
