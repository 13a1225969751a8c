// Copies of which an end is encoded, as an emulated device carries them out: every route, what is kept raw, what is refused in a
// sentence, what is counted and ordered, what it costs in virtual time.
#include "support/catch.hpp"
#include "support/toy_codec.hpp"

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr piece_shape piece{.tokens = 4, .kv_heads = 1, .head_dim = 4, .element = element_type::bf16};
constexpr std::size_t raw_bytes = piece.bytes();
constexpr std::size_t step = 64;  // from code to code
constexpr std::size_t pages = 16;

[[nodiscard]] std::shared_ptr<const page_code> toy_page_code(std::byte mark = std::byte{0xA0})
{
  return std::make_shared<page_code_of<toy::bound>>(piece, toy::coder(piece, {.mark = mark}));
}

struct bed
{
  explicit bed(emulated_device_config config = {.time = time_mode::virtual_time, .check_ordering = true})
      : device(config),
        slab(device.allocate_device(2 * pages * raw_bytes, "slab")),
        codes(device.allocate_pinned(2 * pages * step, "codes")),
        raw(device.allocate_pinned(2 * pages * raw_bytes, "raw"))
  {
    std::mt19937_64 random(3);
    for (std::size_t i = 0; i < pages * raw_bytes / 8; ++i) {
      const std::uint64_t row = toy_row(random());
      std::memcpy(slab.data() + 8 * i, &row, 8);
    }
  }
  [[nodiscard]] std::vector<coded_piece> down(bool whole = true)
  {
    std::vector<coded_piece> out;
    for (std::size_t i = 0; i < pages; ++i) {
      out.push_back({.dst = codes.data() + i * step,
                     .src = slab.data() + i * raw_bytes,
                     .dst_elsewhere = raw.data() + i * raw_bytes,
                     .whole = whole});
    }
    return out;
  }
  [[nodiscard]] std::vector<coded_piece> up()
  {
    std::vector<coded_piece> out;
    for (std::size_t i = 0; i < pages; ++i) {
      out.push_back({.dst = slab.data() + (pages + i) * raw_bytes,
                     .src = codes.data() + i * step,
                     .src_elsewhere = raw.data() + i * raw_bytes});
    }
    return out;
  }
  [[nodiscard]] bool came_back() const
  {
    return std::memcmp(slab.data(), slab.data() + pages * raw_bytes, pages * raw_bytes) == 0;
  }

  emulated_device device;
  emulated_device::memory slab, codes, raw;
  stream_id stream = device.create_stream("codes");
};

}  // namespace

TEST_CASE("pieces are encoded on their way down and decoded on their way up", "[device][codec]")
{
  bed b;
  const auto code = toy_page_code();
  for (const bool whole : {true, false}) {
    b.device.code_kernel_launch(b.stream, {.label = "down", .route = copy_route::from_device}, {.to = code.get()},
                                b.down(whole));
    b.device.code_kernel_launch(b.stream, {.label = "up", .route = copy_route::to_device}, {.from = code.get()},
                                b.up());
    b.device.wait_sync(b.device.record(b.stream));
    CHECK(b.came_back());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < pages; ++i) kept += code->keeps_raw(b.codes.data() + i * step) ? 1U : 0U;
    CHECK(kept > 0);
    CHECK((kept == pages) == !whole);
  }
  const device_counters all = b.device.stats();
  CHECK(all.kernels == 4);
  CHECK(all.from_device.bytes == 2 * pages * code->code_bytes());
  CHECK(all.to_device.bytes == 2 * pages * code->code_bytes());
  CHECK(all.to_device.pieces == 2 * pages);
  CHECK(b.device.violations().empty());
}

TEST_CASE("on the host a code becomes another, and its own pieces as they are", "[device][codec]")
{
  bed b;
  const auto code = toy_page_code();
  const auto other = toy_page_code(std::byte{0xA7});
  auto more = b.device.allocate_pinned(pages * (step + raw_bytes), "more");
  b.device.code_kernel_launch(b.stream, {.label = "down", .route = copy_route::from_device}, {.to = code.get()},
                              b.down());
  std::vector<coded_piece> across, back;
  for (std::size_t i = 0; i < pages; ++i) {
    across.push_back({.dst = more.data() + i * step,
                      .src = b.codes.data() + i * step,
                      .dst_elsewhere = more.data() + pages * step + i * raw_bytes,
                      .src_elsewhere = b.raw.data() + i * raw_bytes});
    back.push_back({.dst = b.raw.data() + (pages + i) * raw_bytes,
                    .src = more.data() + i * step,
                    .src_elsewhere = more.data() + pages * step + i * raw_bytes});
  }
  const copy_kernel host{.label = "across", .route = copy_route::on_host};
  b.device.code_kernel_launch(b.stream, host, {.from = code.get(), .to = other.get()}, across);
  b.device.code_kernel_launch(b.stream, host, {.from = other.get()}, back);
  b.device.wait_sync(b.device.record(b.stream));
  CHECK(std::memcmp(b.slab.data(), b.raw.data() + pages * raw_bytes, pages * raw_bytes) == 0);
  CHECK(b.device.stats().kernels == 1);
  CHECK(b.device.stats().on_host.copies == 2);
  CHECK(b.device.violations().empty());
}

TEST_CASE("a code that is given up while copies use it stays until they are over", "[device][codec]")
{
  bed b;
  auto code = toy_page_code();
  b.device.code_kernel_launch(b.stream, {.label = "down", .route = copy_route::from_device}, {.to = code.get()},
                              b.down());
  b.device.code_kernel_launch(b.stream, {.label = "up", .route = copy_route::to_device}, {.from = code.get()}, b.up());
  code.reset();
  b.device.wait_sync(b.device.record(b.stream));
  CHECK(b.came_back());
}

TEST_CASE("what nobody wrote becomes poison, not anybody's bytes", "[device][codec]")
{
  bed b;
  const auto code = toy_page_code();
  std::memset(b.codes.data(), 0x13, pages * step);
  b.device.code_kernel_launch(b.stream, {.label = "up", .route = copy_route::to_device}, {.from = code.get()}, b.up());
  b.device.wait_sync(b.device.record(b.stream));
  const std::byte* const there = b.slab.data() + pages * raw_bytes;
  CHECK(std::all_of(there, there + pages * raw_bytes, [](std::byte x) { return x == std::byte{0xFF}; }));
}

TEST_CASE("misuse of encoded copies is refused in a sentence, and queues nothing", "[device][codec]")
{
  bed b;
  const auto code = toy_page_code();
  const copy_kernel up{.label = "up", .route = copy_route::to_device};
  const copy_kernel down{.label = "down", .route = copy_route::from_device};
  const auto refused = [&](const copy_kernel& what, coding how, std::vector<coded_piece> pieces) {
    CHECK_THROWS_AS(b.device.code_kernel_launch(b.stream, what, how, pieces), usage_error);
  };
  refused(up, {}, b.up());                        // no end is encoded
  refused(up, {code.get(), code.get()}, b.up());  // both are
  refused(up, {.from = code.get()}, b.down());    // the wrong way
  refused(down, {.to = code.get()}, b.up());
  auto some = b.up();
  some[3].dst = nullptr;
  refused(up, {.from = code.get()}, some);
  some = b.up();
  some[3].dst = b.slab.data() + 2 * pages * raw_bytes - 8;  // not all of it is the slab's
  refused(up, {.from = code.get()}, some);
  some = b.down();
  some[5].dst_elsewhere = b.slab.data();  // not pinned
  refused(down, {.to = code.get()}, some);
  CHECK_THROWS_AS(b.device.code_kernel_launch(static_cast<stream_id>(99), up, {.from = code.get()}, b.up()),
                  usage_error);
  b.device.code_kernel_launch(b.stream, up, {.from = code.get()}, {});
  CHECK(b.device.stats().kernels == 0);
}

TEST_CASE("the ordering checker sees what an encoded copy touches, raw places among it", "[device][codec]")
{
  const auto code = toy_page_code();
  const auto violations_with = [&](auto&& clash) {
    bed b;
    b.device.code_kernel_launch(b.stream, {.label = "down", .route = copy_route::from_device}, {.to = code.get()},
                                b.down());
    clash(b, b.device.create_stream("other"));
    return b.device.violations().size();
  };
  CHECK(violations_with([](bed& b, stream_id s) { b.device.fill(s, b.codes.data(), std::byte{0}, 8); }) == 1);
  CHECK(violations_with([](bed& b, stream_id s) { b.device.fill(s, b.raw.data(), std::byte{0}, 8); }) == 1);
  CHECK(violations_with([](bed& b, stream_id s) { b.device.fill(s, b.slab.data(), std::byte{0}, 8); }) == 1);
  CHECK(violations_with(
            [](bed& b, stream_id s) { b.device.fill(s, b.slab.data() + pages * raw_bytes, std::byte{0}, 8); }) == 0);
}

TEST_CASE("an encoded copy may be refused, and fail, as any other", "[device][codec]")
{
  bed b;
  const auto code = toy_page_code();
  const copy_kernel down{.label = "down", .route = copy_route::from_device};
  b.device.refuse_next_copy();
  CHECK_THROWS_AS(b.device.code_kernel_launch(b.stream, down, {.to = code.get()}, b.down()), copy_refused);
  b.device.code_kernel_launch(b.stream, down, {.to = code.get()}, b.down());
  b.device.fail_next_copy();
  b.device.code_kernel_launch(b.stream, down, {.to = code.get()}, b.down());
  CHECK_THROWS_AS(b.device.wait_sync(b.device.record(b.stream)), device_error);
}

TEST_CASE("an encoded copy costs what a kernel costs that moves its code", "[device][codec]")
{
  const auto code = toy_page_code();
  const auto seconds = [&](std::uint32_t sms) {
    bed b({.time = time_mode::virtual_time,
           .to_device = {.bytes_per_second = 1e6},
           .copy_kernels = {.sm_bytes_per_second = 1e5}});
    b.device.code_kernel_launch(b.stream, {.label = "up", .route = copy_route::to_device, .sms = sms},
                                {.from = code.get()}, b.up());
    b.device.wait_sync(b.device.record(b.stream));
    return b.device.now();
  };
  const double bytes = static_cast<double>(pages * code->code_bytes());
  CHECK(seconds(1) == Approx(bytes / 1e5));
  CHECK(seconds(0) == Approx(bytes / 1e6));
}
