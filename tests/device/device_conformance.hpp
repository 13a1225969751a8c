// What every device must do, whatever it is made of: run it on your own with a file of a few lines,
//
//   struct my_subject { static std::unique_ptr<my_device> make(); };
//   TEST_CASE("my device") { kvstrata_test::device_conformance<my_subject>(); }
//
// make() gives a fresh device each time, with room for at least 4 MiB of either memory. What a device need not have
// (batches of copies, copy kernels, host streams) is checked where it has it.
#pragma once

#include "device/copy_conformance.hpp"
#include "device/host_stream_conformance.hpp"
#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata_test {

template <class Subject>
void device_conformance()
{
  using namespace kvstrata;
  constexpr auto in = copy_direction::to_device;
  constexpr auto out = copy_direction::from_device;
  constexpr auto on_host = copy_direction::on_host;
  constexpr std::size_t bytes = 256 * 1024;

  auto owner = Subject::make();
  auto& d = *owner;
  using device_type = std::decay_t<decltype(d)>;
  static_assert(device<device_type>);

  SECTION("memory is aligned, as large as asked for and apart from other memory")
  {
    for (const std::size_t size : {std::size_t{1}, std::size_t{255}, std::size_t{4097}, bytes}) {
      const auto a = d.allocate_device(size, "a");
      const auto b = d.allocate_pinned(size, "b");
      REQUIRE(a.size() == size);
      REQUIRE(b.size() == size);
      REQUIRE(reinterpret_cast<std::uintptr_t>(a.data()) % 256 == 0);
      REQUIRE(reinterpret_cast<std::uintptr_t>(b.data()) % 256 == 0);
      REQUIRE((a.data() + size <= b.data() || b.data() + size <= a.data()));
    }
  }

  SECTION("memory moves without its bytes moving")
  {
    auto first = d.allocate_pinned(bytes, "first");
    std::byte* const data = first.data();
    write_pattern(data, bytes, 1);
    auto second = std::move(first);
    REQUIRE(second.data() == data);
    auto third = d.allocate_pinned(16, "third");
    third = std::move(second);
    REQUIRE(third.data() == data);
    REQUIRE(third.size() == bytes);
    REQUIRE(has_pattern(data, bytes, 1));
  }

  SECTION("memory that is given back can be had again")
  {
    for (int i = 0; i < 64; ++i) {
      const auto a = d.allocate_device(2u << 20, "again");
      const auto b = d.allocate_pinned(2u << 20, "again");
      REQUIRE(a.size() == b.size());
    }
  }

  if constexpr (host_stream_device<device_type>) host_stream_conformance(owner);
  if (owner == nullptr) return;  // it was about destroying it

  const auto host = d.allocate_pinned(bytes, "host");
  const auto back = d.allocate_pinned(bytes, "back");
  const auto mem = d.allocate_device(bytes, "mem");
  const stream_id one = d.create_stream("one");
  const stream_id two = d.create_stream("two");

  SECTION("a point before all work has passed")
  {
    REQUIRE(one != two);
    REQUIRE(d.query(event{}));
    REQUIRE(d.query(d.record(one)));
    d.wait_sync(d.record(two));
    d.wait(one, d.record(two));
    d.wait(one, event{});
  }

  SECTION("bytes come back as they went")
  {
    for (unsigned seed = 0; seed < 4; ++seed) {
      write_pattern(host.data(), bytes, seed);
      std::memset(back.data(), 0, bytes);
      d.copy(one, in, mem.data(), host.data(), bytes);
      d.copy(one, out, back.data(), mem.data(), bytes);
      d.wait_sync(d.record(one));
      REQUIRE(has_pattern(back.data(), bytes, seed));
    }
  }

  SECTION("a copy moves its own bytes and no others, at any offset")
  {
    write_pattern(host.data(), bytes, 1);
    std::memset(back.data(), 0x55, bytes);
    d.copy(one, in, mem.data(), host.data(), bytes);
    for (const std::size_t size : {1u, 3u, 255u, 4096u, 5001u}) {
      d.copy(one, out, back.data() + 7 * size, mem.data() + 7 * size, size);
    }
    d.wait_sync(d.record(one));
    std::vector<std::byte> expected(bytes, std::byte{0x55});
    for (const std::size_t size : {1u, 3u, 255u, 4096u, 5001u}) {
      std::memcpy(expected.data() + 7 * size, host.data() + 7 * size, size);
    }
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }

  SECTION(
      "bytes go from host memory to host memory as they go elsewhere: these bytes and no others, in a stream's order")
  {
    write_pattern(host.data(), bytes, 2);
    std::memset(back.data(), 0x55, bytes);
    std::vector<std::byte> expected(bytes, std::byte{0x55});
    for (const std::size_t size : {1u, 3u, 255u, 4096u, 5001u}) {
      d.copy(one, on_host, back.data() + 7 * size, host.data() + 3 * size, size);
      std::memcpy(expected.data() + 7 * size, host.data() + 3 * size, size);
    }
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);

    // Down from the device and on, and up again: each behind the other, on streams of their own.
    const auto below = d.allocate_pinned(bytes, "below");
    const auto again = d.allocate_device(bytes, "again");
    const stream_id three = d.create_stream("three");
    for (unsigned seed = 0; seed < 10; ++seed) {
      write_pattern(host.data(), bytes, seed);
      d.copy(one, in, mem.data(), host.data(), bytes);
      d.copy(one, out, back.data(), mem.data(), bytes);
      d.wait(two, d.record(one));
      d.copy(two, on_host, below.data(), back.data(), bytes);
      d.wait(three, d.record(two));
      d.copy(three, in, again.data(), below.data(), bytes);
      d.wait(one, d.record(three));
      d.copy(one, out, back.data(), again.data(), bytes);
      d.wait_sync(d.record(one));
      REQUIRE(has_pattern(back.data(), bytes, seed));
    }
  }

  SECTION("a stream carries out its work in order")
  {
    constexpr unsigned rounds = 200;
    std::vector<std::byte> sources(rounds * 1024);
    for (unsigned i = 0; i < rounds; ++i) write_pattern(sources.data() + i * 1024, 1024, i);
    for (unsigned i = 0; i < rounds; ++i) d.copy(one, in, mem.data(), sources.data() + i * 1024, 1024);
    d.copy(one, out, back.data(), mem.data(), 1024);
    d.wait_sync(d.record(one));
    REQUIRE(has_pattern(back.data(), 1024, rounds - 1));
  }

  SECTION("a later event of a stream implies the earlier ones")
  {
    std::vector<event> points;
    for (std::size_t i = 0; i < 32; ++i) {
      d.copy(one, in, mem.data() + i * 1024, host.data() + i * 1024, 1024);
      points.push_back(d.record(one));
    }
    for (std::size_t i = 1; i < points.size(); ++i) {
      REQUIRE(points[i].stream == one);
      REQUIRE(points[i - 1].sequence < points[i].sequence);
    }
    d.wait_sync(points.back());
    for (const event mark : points) REQUIRE(d.query(mark));
  }

  SECTION("work behind a wait sees what lies before the event")
  {
    for (unsigned seed = 0; seed < 20; ++seed) {
      write_pattern(host.data(), bytes, seed);
      d.copy(one, in, mem.data(), host.data(), bytes);
      d.wait(two, d.record(one));
      d.copy(two, out, back.data(), mem.data(), bytes);
      d.wait_sync(d.record(two));
      REQUIRE(has_pattern(back.data(), bytes, seed));
    }
  }

  SECTION("an event behind a wait implies the awaited one")
  {
    d.copy(one, in, mem.data(), host.data(), bytes);
    const event first = d.record(one);
    d.wait(two, first);
    const event second = d.record(two);
    d.wait_sync(second);
    REQUIRE(d.query(first));
  }

  SECTION("a chain over many streams keeps its order")
  {
    constexpr std::size_t links = 300;
    constexpr std::size_t piece = 512;
    std::vector<stream_id> streams;
    for (int i = 0; i < 5; ++i) streams.push_back(d.create_stream("chain"));
    write_pattern(host.data(), piece, 9);
    event last;
    for (std::size_t i = 0; i < links; ++i) {  // to the device and back, each time by another stream
      const stream_id s = streams[i % streams.size()];
      d.wait(s, last);
      if (i % 2 == 0) d.copy(s, in, mem.data() + i * piece, host.data() + (i / 2) * piece, piece);
      else d.copy(s, out, host.data() + (i / 2 + 1) * piece, mem.data() + (i - 1) * piece, piece);
      last = d.record(s);
    }
    d.wait_sync(last);
    REQUIRE(has_pattern(host.data() + links / 2 * piece, piece, 9));
  }

  SECTION("fences stand for all their points")
  {
    write_pattern(host.data(), bytes, 3);
    d.copy(one, in, mem.data(), host.data(), bytes / 2);
    d.copy(two, in, mem.data() + bytes / 2, host.data() + bytes / 2, bytes / 2);
    fence both(d.record(one));
    both.add(d.record(two));
    wait_for(d, two, both);
    d.copy(two, out, back.data(), mem.data(), bytes);
    both.add(d.record(two));
    wait_for_sync(d, both);
    REQUIRE(has_pattern(back.data(), bytes, 3));
    both.prune([&](event mark) { return d.query(mark); });
    REQUIRE(both.empty());
  }

  SECTION("query turns true in the end without anybody waiting for that event")
  {
    d.copy(one, in, mem.data(), host.data(), bytes);
    const event mark = d.record(one);
    d.copy(one, in, mem.data(), host.data(), 1);
    d.wait_sync(d.record(one));
    REQUIRE(d.query(mark));
  }

  SECTION("several threads may use a device, and even a stream")
  {
    constexpr unsigned threads = 4;
    constexpr std::size_t part = bytes / threads;
    std::vector<char> right(threads, 0);
    std::vector<std::thread> crowd;
    for (unsigned t = 0; t < threads; ++t) {
      crowd.emplace_back([&, t] {
        const stream_id own = t % 2 == 0 ? one : d.create_stream("own");
        std::byte* const from = host.data() + t * part;
        std::byte* const to = back.data() + t * part;
        bool all = true;
        for (unsigned round = 0; round < 20; ++round) {
          write_pattern(from, part, t * 100 + round);
          d.copy(own, in, mem.data() + t * part, from, part);
          d.copy(own, out, to, mem.data() + t * part, part);
          d.wait_sync(d.record(own));
          all = all && has_pattern(to, part, t * 100 + round);
        }
        right[t] = all;
      });
    }
    for (std::thread& thread : crowd) thread.join();
    for (const char all : right) REQUIRE(all != 0);
  }

  if constexpr (batches_copies<device_type>) batch_conformance(d);
  if constexpr (runs_copy_kernels<device_type>) copy_kernel_conformance(d);
}

}  // namespace kvstrata_test
