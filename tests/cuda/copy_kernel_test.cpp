// The copy kernel behind cuda_device: whatever its pieces are like and whichever way they go, it is memcpy.
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

using namespace kvstrata;

namespace {

/// One end of a copy, with bytes to look at.
struct one_end
{
  one_end(cuda_device& d, stream_id stream, bool pinned, const std::vector<std::byte>& bytes)
      : device(&d),
        on(stream),
        is_pinned(pinned),
        memory(pinned ? d.allocate_pinned(bytes.size(), "one end") : d.allocate_device(bytes.size(), "one end")),
        staged(d.allocate_pinned(bytes.size(), "staged"))
  {
    std::memcpy(staged.data(), bytes.data(), bytes.size());
    if (pinned) std::memcpy(memory.data(), bytes.data(), bytes.size());
    else d.copy(on, copy_direction::to_device, memory.data(), staged.data(), bytes.size());
    d.wait_sync(d.record(on));
  }
  [[nodiscard]] const std::byte* look()
  {
    if (is_pinned) {
      device->wait_sync(device->record(on));
      return memory.data();
    }
    device->copy(on, copy_direction::from_device, staged.data(), memory.data(), memory.size());
    device->wait_sync(device->record(on));
    return staged.data();
  }

  cuda_device* device;
  stream_id on;
  bool is_pinned;
  cuda_device::memory memory;
  cuda_device::memory staged;
};

struct offsets
{
  std::size_t to, from, bytes;
};

std::vector<std::byte> noise(std::size_t bytes, unsigned seed)
{
  std::mt19937 draw(seed);
  std::vector<std::byte> out(bytes);
  for (std::byte& b : out) b = static_cast<std::byte>(draw());
  return out;
}

void copy_and_compare(copy_route route, std::uint32_t sms, std::size_t bytes, const std::vector<offsets>& list)
{
  cuda_device d;
  const stream_id stream = d.create_stream("copies");
  const std::vector<std::byte> source = noise(bytes, 1);
  std::vector<std::byte> expected = noise(bytes, 2);
  one_end from(d, stream, route == copy_route::to_device, source);
  one_end to(d, stream, route == copy_route::from_device, expected);
  std::vector<copy_piece> pieces;
  for (const offsets& o : list) {
    pieces.push_back({to.memory.data() + o.to, from.memory.data() + o.from, o.bytes});
    std::memcpy(expected.data() + o.to, source.data() + o.from, o.bytes);
  }
  d.copy_kernel_launch(stream, {.label = "copy", .route = route, .sms = sms}, pieces);
  CHECK(std::memcmp(to.look(), expected.data(), bytes) == 0);
}

constexpr copy_route every_route[] = {copy_route::on_device, copy_route::to_device, copy_route::from_device};

}  // namespace

TEST_CASE("copy kernel: every misalignment of both ends, in a list of many launches")
{
  std::vector<offsets> list;
  std::size_t at = 0;
  for (std::size_t to = 0; to < 16; ++to) {
    for (std::size_t from = 0; from < 16; ++from) {
      for (std::size_t bytes = 1; bytes <= 33; ++bytes, at += 64) list.push_back({at + to, at + from, bytes});
    }
  }
  for (const copy_route route : every_route) copy_and_compare(route, 4, at, list);
}

TEST_CASE("copy kernel: pages of every size, any budget of multiprocessors")
{
  for (const std::uint32_t sms : {0U, 1U, 8U}) {
    for (const copy_route route : every_route) {
      std::mt19937 draw(sms + 3);
      constexpr std::size_t bytes = 4 << 20;
      std::vector<offsets> list;
      for (std::size_t at = 0;;) {
        const std::size_t size = std::size_t{16} << (draw() % 15);
        if (at + size > bytes) break;
        list.push_back({at, draw() % ((bytes - size) / 16 + 1) * 16, size});
        at += size + (draw() % 2 == 0 ? 0 : 48);
      }
      std::shuffle(list.begin(), list.end(), draw);
      copy_and_compare(route, sms, bytes, list);
    }
  }
}

TEST_CASE("copy kernel: one byte, and one large piece")
{
  for (const copy_route route : every_route) {
    copy_and_compare(route, 0, 64, {{17, 30, 1}});
    copy_and_compare(route, 0, (8 << 20) + 77, {{3, 19, 8 << 20}});
    copy_and_compare(route, 2, (1 << 20) + 77, {{3, 8, 1 << 20}});
  }
}
