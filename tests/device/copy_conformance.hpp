// What a device that batches copies, or runs kernels that copy, must do with them. device_conformance.hpp runs this.
#pragma once

#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstring>
#include <vector>

namespace kvstrata_test {

/// Pieces of different sizes at different offsets, in no order, with gaps: between two buffers of 64 KiB.
[[nodiscard]] inline std::vector<kvstrata::copy_piece> scattered_pieces(std::byte* dst, const std::byte* src)
{
  return {{dst + 40000, src + 100, 4096}, {dst + 7, src + 50000, 1},      {dst + 8192, src + 8192, 8192},
          {dst + 100, src + 30001, 255},  {dst + 20000, src + 100, 4096},  // the same source twice
          {dst + 65535, src + 65535, 1}};
}

/// `dst` after the pieces, by hand.
inline void apply(const std::vector<kvstrata::copy_piece>& pieces)
{
  for (const kvstrata::copy_piece& p : pieces) std::memcpy(p.dst, p.src, p.bytes);
}

template <class Device>
void batch_conformance(Device& d)
{
  using namespace kvstrata;
  constexpr std::size_t bytes = 65536;
  constexpr auto in = copy_direction::to_device;
  constexpr auto out = copy_direction::from_device;
  const auto host = d.allocate_pinned(bytes, "host");
  const auto back = d.allocate_pinned(bytes, "back");
  const auto mem = d.allocate_device(bytes, "mem");
  const stream_id one = d.create_stream("one");
  const stream_id two = d.create_stream("two");
  write_pattern(host.data(), bytes, 5);
  std::vector<std::byte> expected(bytes, std::byte{0x55});
  std::memset(back.data(), 0x55, bytes);

  SECTION("a batch moves its pieces and no other bytes, in either direction")
  {
    d.copy(one, in, mem.data(), back.data(), bytes);
    d.copy_batch(one, in, scattered_pieces(mem.data(), host.data()));
    d.copy(one, out, back.data(), mem.data(), bytes);
    apply(scattered_pieces(expected.data(), host.data()));
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);

    d.copy(one, in, mem.data(), host.data(), bytes);
    std::memset(back.data(), 0x55, bytes);
    std::memset(expected.data(), 0x55, bytes);
    d.copy_batch(one, out, scattered_pieces(back.data(), mem.data()));
    apply(scattered_pieces(expected.data(), host.data()));
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }

  SECTION("a batch from host memory to host memory, likewise")
  {
    d.copy_batch(one, copy_direction::on_host, scattered_pieces(back.data(), host.data()));
    apply(scattered_pieces(expected.data(), host.data()));
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }

  SECTION("the list of a batch is read during the call only")
  {
    std::vector<copy_piece> pieces;
    for (std::size_t i = 0; i < 64; ++i) pieces.push_back({mem.data() + i * 1024, host.data() + i * 1024, 1024});
    d.copy_batch(one, in, pieces);
    for (copy_piece& p : pieces) p = {};
    pieces.clear();
    d.copy(one, out, back.data(), mem.data(), bytes);
    d.wait_sync(d.record(one));
    REQUIRE(has_pattern(back.data(), bytes, 5));
  }

  SECTION("a batch keeps its place on the stream, and the event behind it means all of it")
  {
    std::vector<std::byte> sources(20 * 1024);
    for (unsigned i = 0; i < 20; ++i) write_pattern(sources.data() + i * 1024, 1024, i);
    for (std::size_t i = 0; i < 20; ++i) {
      const std::byte* const from = sources.data() + i * 1024;
      const copy_piece halves[] = {{mem.data() + 512, from + 512, 512}, {mem.data(), from, 512}};
      if (i % 2 == 0) d.copy(one, in, mem.data(), from, 1024);
      else d.copy_batch(one, in, halves);
    }
    d.wait(two, d.record(one));
    const copy_piece halves[] = {{back.data() + 512, mem.data() + 512, 512}, {back.data(), mem.data(), 512}};
    d.copy_batch(two, out, halves);
    d.wait_sync(d.record(two));
    REQUIRE(has_pattern(back.data(), 1024, 19));
  }

  SECTION("an empty batch does nothing, and does it on any stream")
  {
    d.copy_batch(one, in, {});
    d.copy_batch(two, out, {});
    d.wait_sync(d.record(one));
    d.wait_sync(d.record(two));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }
}

template <class Device>
void copy_kernel_conformance(Device& d)
{
  using namespace kvstrata;
  constexpr std::size_t bytes = 65536;
  constexpr copy_kernel in{"in", copy_route::to_device, 0};
  constexpr copy_kernel out{"out", copy_route::from_device, 4};
  constexpr copy_kernel within{"within", copy_route::on_device, 1};
  const auto host = d.allocate_pinned(bytes, "host");
  const auto back = d.allocate_pinned(bytes, "back");
  const auto mem = d.allocate_device(bytes, "mem");
  const auto other = d.allocate_device(bytes, "other");
  const stream_id one = d.create_stream("one");
  const stream_id two = d.create_stream("two");
  write_pattern(host.data(), bytes, 6);
  std::memset(back.data(), 0x55, bytes);
  std::vector<std::byte> expected(bytes, std::byte{0x55});
  const auto whole = [](const auto& dst, const auto& src) {
    return std::vector<copy_piece>{{dst.data(), src.data(), bytes}};
  };

  SECTION("a copy kernel moves its pieces and no other bytes, on every route")
  {
    const int route = GENERATE(0, 1, 2);
    apply(scattered_pieces(expected.data(), host.data()));
    if (route == 0) {
      d.copy_kernel_launch(one, in, whole(mem, back));
      d.copy_kernel_launch(one, in, scattered_pieces(mem.data(), host.data()));
      d.copy_kernel_launch(one, out, whole(back, mem));
    } else if (route == 1) {
      d.copy_kernel_launch(one, in, whole(mem, host));
      d.copy_kernel_launch(one, out, scattered_pieces(back.data(), mem.data()));
    } else {
      d.copy_kernel_launch(one, in, whole(other, back));
      d.copy_kernel_launch(one, in, whole(mem, host));
      d.copy_kernel_launch(one, within, scattered_pieces(other.data(), mem.data()));
      d.copy_kernel_launch(one, out, whole(back, other));
    }
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }

  SECTION("the list of a copy kernel is read during the call only")
  {
    std::vector<copy_piece> pieces = whole(mem, host);
    d.copy_kernel_launch(one, in, pieces);
    pieces[0] = {};
    pieces.clear();
    d.copy_kernel_launch(one, out, whole(back, mem));
    d.wait_sync(d.record(one));
    REQUIRE(has_pattern(back.data(), bytes, 6));
  }

  SECTION("copy kernels and copies of several streams are ordered by events")
  {
    for (unsigned seed = 0; seed < 10; ++seed) {
      write_pattern(host.data(), bytes, seed);
      d.copy(one, copy_direction::to_device, mem.data(), host.data(), bytes);
      d.wait(two, d.record(one));
      d.copy_kernel_launch(two, within, whole(other, mem));
      d.wait(one, d.record(two));
      d.copy_kernel_launch(one, out, whole(back, other));
      d.wait_sync(d.record(one));
      REQUIRE(has_pattern(back.data(), bytes, seed));
    }
  }

  SECTION("a copy kernel without pieces does nothing")
  {
    for (const copy_kernel& k : {in, out, within}) d.copy_kernel_launch(one, k, {});
    d.wait_sync(d.record(one));
    REQUIRE(std::memcmp(back.data(), expected.data(), bytes) == 0);
  }
}

}  // namespace kvstrata_test
