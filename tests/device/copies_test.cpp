// Batches and copy kernels of the emulated device: what they cost, count, touch and turn down.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;
constexpr auto on_host = copy_direction::on_host;
using times = std::vector<std::pair<double, double>>;

// Powers of two, so that all sums are exact.
emulated_device_config priced()
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.to_device = {1024.0, 0.5, 0.125};
  config.from_device = {512.0, 0.25, 0.0625};
  config.on_host = {256.0, 0.125, 0.5};
  config.copy_kernels = {2.0, 128.0, 4096.0};
  config.trace = true;
  config.check_ordering = true;
  return config;
}

struct bench
{
  explicit bench(const emulated_device_config& config = priced()) : d(config) {}
  emulated_device d;
  emulated_device::memory slab = d.allocate_device(65536, "slab");
  emulated_device::memory arena = d.allocate_pinned(65536, "arena");
  stream_id a = d.create_stream("a");
  stream_id b = d.create_stream("b");

  /// `count` pieces of `bytes` bytes from 2 * bytes to 2 * bytes, beginning at `at`.
  std::vector<copy_piece> pieces(copy_route route, std::size_t count, std::size_t bytes, std::size_t at = 0)
  {
    std::vector<copy_piece> list;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = at + 2 * bytes * i;
      const bool to_arena = route == copy_route::from_device || route == copy_route::on_host;
      const bool from_arena = route == copy_route::to_device || route == copy_route::on_host;
      const bool within = route == copy_route::on_device || route == copy_route::on_host;
      std::byte* const dst = (to_arena ? arena : slab).data() + offset;
      const std::byte* const src = (from_arena ? arena : slab).data() + offset + (within ? 32768 : 0);
      list.push_back({dst, src, bytes});
    }
    return list;
  }
  void kernel(stream_id s, copy_route route, std::uint32_t sms, std::size_t bytes, std::size_t at = 0)
  {
    d.copy_kernel_launch(s, {"moves", route, sms}, pieces(route, 1, bytes, at));
  }
  double seconds_until_idle()
  {
    const double begin = d.now();
    d.wait_sync(d.record(a));
    d.wait_sync(d.record(b));
    return d.now() - begin;
  }
  times spans() const
  {
    times list;
    for (const op_span& span : d.trace()) list.emplace_back(span.begin, span.end);
    return list;
  }
};

using kvstrata_test::sentence_of;

[[nodiscard]] copy_direction direction_of(copy_route route)
{
  return route == copy_route::to_device ? in : route == copy_route::from_device ? out : on_host;
}

}  // namespace

TEST_CASE("a batch costs one latency, a little for each piece and its bytes over the bandwidth")
{
  bench t;
  t.d.copy_batch(t.a, in, t.pieces(copy_route::to_device, 8, 128));
  REQUIRE(t.d.now() == 0);  // queued, no more
  REQUIRE(t.seconds_until_idle() == 0.5 + 8 * 0.125 + 1024 / 1024.0);
  t.d.copy_batch(t.a, in, t.pieces(copy_route::to_device, 1, 1024));
  REQUIRE(t.seconds_until_idle() == 0.5 + 0.125 + 1);
  t.d.copy(t.a, in, t.slab.data(), t.arena.data(), 1024);  // a plain copy is as ever
  REQUIRE(t.seconds_until_idle() == 1.5);
  t.d.copy_batch(t.b, out, t.pieces(copy_route::from_device, 4, 256));
  REQUIRE(t.seconds_until_idle() == 0.25 + 4 * 0.0625 + 2);
  const auto streams = t.d.stats().streams;
  REQUIRE(streams[0].busy_seconds == 2.5 + 1.625 + 1.5);
  REQUIRE(streams[1].busy_seconds == 2.5);
  REQUIRE(t.d.violations().empty());
}

TEST_CASE("a batch holds the link of its direction, and that alone")
{
  bench t;
  t.d.copy_batch(t.a, in, t.pieces(copy_route::to_device, 4, 128));     // 1.5 seconds
  t.d.copy(t.b, in, t.slab.data() + 8192, t.arena.data() + 8192, 512);  // 1 second
  REQUIRE(t.seconds_until_idle() == 2.5);
  t.d.copy_batch(t.a, in, t.pieces(copy_route::to_device, 4, 128));
  t.d.copy_batch(t.b, out, t.pieces(copy_route::from_device, 2, 256, 8192));  // 1.375 seconds
  REQUIRE(t.seconds_until_idle() == 1.5);
}

TEST_CASE("a copy kernel to or from the device goes at the pace of the link or of its multiprocessors")
{
  struct priced_kernel
  {
    copy_route route;
    std::uint32_t sms;
    double seconds;
  };
  for (const priced_kernel k : {priced_kernel{copy_route::to_device, 0, 2 + 1.0},       // the link: 1024 B/s
                                priced_kernel{copy_route::to_device, 4, 2 + 2.0},       // 4 * 128 B/s
                                priced_kernel{copy_route::to_device, 8, 2 + 1.0},       // both alike
                                priced_kernel{copy_route::to_device, 100, 2 + 1.0},     // no faster than the link
                                priced_kernel{copy_route::from_device, 0, 2 + 2.0},     // 512 B/s
                                priced_kernel{copy_route::from_device, 1, 2 + 8.0},     //
                                priced_kernel{copy_route::on_device, 0, 2 + 0.25},      // 4096 B/s
                                priced_kernel{copy_route::on_device, 16, 2 + 0.5},      //
                                priced_kernel{copy_route::on_device, 64, 2 + 0.25}}) {  //
    bench t;
    CAPTURE(static_cast<int>(k.route), k.sms);
    t.kernel(t.a, k.route, k.sms, 1024);
    REQUIRE(t.seconds_until_idle() == k.seconds);
    REQUIRE(t.d.stats().streams[0].busy_seconds == k.seconds);
  }
}

TEST_CASE("what is 0 does not limit a copy kernel, and pieces cost it nothing")
{
  emulated_device_config config = priced();
  config.copy_kernels = {1.0, 0, 0};
  bench t(config);
  t.kernel(t.a, copy_route::on_device, 1, 4096);
  REQUIRE(t.seconds_until_idle() == 1);
  t.d.copy_kernel_launch(t.a, {"moves", copy_route::to_device, 1}, t.pieces(copy_route::to_device, 16, 64));
  REQUIRE(t.seconds_until_idle() == 2);  // the link still passes 1024 bytes a second

  config.copy_kernels = {1.0, 256, 0};
  config.to_device = {};
  bench u(config);
  u.kernel(u.a, copy_route::on_device, 2, 1024);
  REQUIRE(u.seconds_until_idle() == 3);
  u.kernel(u.a, copy_route::to_device, 2, 1024);
  REQUIRE(u.seconds_until_idle() == 3);
  u.kernel(u.a, copy_route::to_device, 0, 1024);
  REQUIRE(u.seconds_until_idle() == 1);
}

TEST_CASE("a copy kernel holds the link it goes over; on the device it holds none")
{
  bench t;
  t.kernel(t.a, copy_route::to_device, 0, 1024);                        // 3 seconds
  t.d.copy(t.b, in, t.slab.data() + 4096, t.arena.data() + 4096, 512);  // 1 second
  REQUIRE(t.seconds_until_idle() == 4);
  t.kernel(t.a, copy_route::to_device, 0, 1024);
  t.d.copy(t.b, out, t.arena.data() + 4096, t.slab.data() + 4096, 512);  // 1.25 seconds
  REQUIRE(t.seconds_until_idle() == 3);
  t.kernel(t.a, copy_route::on_device, 0, 4096);  // 3 seconds
  t.d.copy(t.b, in, t.slab.data() + 8192, t.arena.data() + 8192, 512);
  t.kernel(t.b, copy_route::on_device, 0, 2048, 12288);  // 2.5 seconds, beside the other
  REQUIRE(t.seconds_until_idle() == 3.5);
  REQUIRE(t.d.violations().empty());
}

TEST_CASE("spans and counters tell calls, pieces, bytes and routes")
{
  bench t;
  t.d.copy(t.a, in, t.slab.data(), t.arena.data(), 100);
  t.d.copy_batch(t.a, in, t.pieces(copy_route::to_device, 3, 64));
  t.d.copy_batch(t.a, out, t.pieces(copy_route::from_device, 2, 32));
  t.d.copy_kernel_launch(t.a, {"gather", copy_route::from_device}, t.pieces(copy_route::from_device, 5, 16));
  t.d.copy_kernel_launch(t.a, {"relocate", copy_route::on_device}, t.pieces(copy_route::on_device, 4, 8));
  t.d.copy_kernel_launch(t.a, {{}, copy_route::to_device}, t.pieces(copy_route::to_device, 1, 8));
  t.d.launch(t.a, {"layer", 1}, [] {});
  const device_counters s = t.d.stats();
  REQUIRE(s.to_device == device_counters::traffic{2, 100 + 192 + 8, 1 + 3 + 1});
  REQUIRE(s.from_device == device_counters::traffic{1, 64 + 80, 2 + 5});
  REQUIRE(s.on_device == device_counters::traffic{0, 32, 4});
  REQUIRE(s.kernels == 4);
  REQUIRE(s.launches() == 7);
  t.d.wait_sync(t.d.record(t.a));
  const std::vector<op_span> spans = t.d.trace();
  REQUIRE(spans.size() == 7);
  const auto is = [](const op_span& span, std::string_view label, operation_kind kind, std::size_t bytes,
                     std::size_t pieces) {
    return span.label == label && span.kind == kind && span.bytes == bytes && span.pieces == pieces;
  };
  CHECK(is(spans[0], "copy to device", operation_kind::copy_to_device, 100, 1));
  CHECK(is(spans[1], "copy to device", operation_kind::copy_to_device, 192, 3));
  CHECK(is(spans[2], "copy from device", operation_kind::copy_from_device, 64, 2));
  CHECK(is(spans[3], "gather", operation_kind::copy_kernel, 80, 5));
  CHECK(is(spans[4], "relocate", operation_kind::copy_kernel, 32, 4));
  CHECK(is(spans[5], "copy kernel", operation_kind::copy_kernel, 8, 1));
  CHECK(is(spans[6], "layer", operation_kind::kernel, 0, 0));
}

TEST_CASE("copies on the host cost what they cost, hold no link, and are counted by themselves")
{
  bench t;
  t.d.copy(t.a, on_host, t.arena.data(), t.arena.data() + 1024, 256);
  REQUIRE(t.d.now() == 0);  // queued, no more
  REQUIRE(t.seconds_until_idle() == 0.125 + 1);
  const copy_piece pieces[] = {{t.arena.data(), t.arena.data() + 1024, 128},
                               {t.arena.data() + 512, t.arena.data() + 2048, 384}};
  t.d.copy_batch(t.a, on_host, pieces);
  REQUIRE(t.seconds_until_idle() == 0.125 + 2 * 0.5 + 2);
  // Both links and the host at once: all take as long as the longest, and two on the host do not wait for each other.
  const stream_id c = t.d.create_stream("c");
  t.d.copy(t.a, in, t.slab.data(), t.arena.data(), 512);                     // 1 second
  t.d.copy(t.b, out, t.arena.data() + 32768, t.slab.data() + 32768, 256);    // 0.75 seconds
  t.d.copy(c, on_host, t.arena.data() + 8192, t.arena.data() + 16384, 480);  // 2 seconds
  const stream_id e = t.d.create_stream("e");
  t.d.copy(e, on_host, t.arena.data() + 49152, t.arena.data() + 57344, 480);
  const double begin = t.d.now();
  for (const stream_id s : {t.a, t.b, c, e}) t.d.wait_sync(t.d.record(s));
  REQUIRE(t.d.now() - begin == 2);
  const device_counters s = t.d.stats();
  REQUIRE(s.on_host == device_counters::traffic{4, 256 + 512 + 480 + 480, 1 + 2 + 1 + 1});
  REQUIRE(s.to_device == device_counters::traffic{1, 512, 1});
  REQUIRE(s.from_device == device_counters::traffic{1, 256, 1});
  REQUIRE((s.kernels == 0 && s.launches() == 6));
  const std::vector<op_span> spans = t.d.trace();
  REQUIRE(spans.size() == 6);
  REQUIRE((spans[0].kind == operation_kind::copy_on_host && spans[0].label == "copy on the host"));
  REQUIRE((spans[0].bytes == 256 && spans[0].pieces == 1));
  REQUIRE((spans[1].kind == operation_kind::copy_on_host && spans[1].bytes == 512 && spans[1].pieces == 2));
  REQUIRE(t.d.violations().empty());
}

TEST_CASE("an empty list queues nothing")
{
  bench t;
  t.d.copy_batch(t.a, in, {});
  t.d.copy_kernel_launch(t.a, {"k", copy_route::on_device}, {});
  REQUIRE(t.d.record(t.a) == event{t.a, 0});
  REQUIRE(t.d.stats().launches() == 0);
  t.d.fail_next_copy();
  t.d.copy_batch(t.a, in, {});  // not the one that fails
  t.d.copy(t.b, in, t.slab.data(), t.arena.data(), 1);
  REQUIRE_THROWS_AS(t.d.wait_sync(event{t.b, 1}), device_error);
}

TEST_CASE("without data, batches and copy kernels cost time and have no effect")
{
  emulated_device_config config = priced();
  config.data = false;
  emulated_device d(config);
  const std::size_t far = std::size_t{1} << 34;
  const auto slab = d.allocate_device(2 * far, "far more than is there");
  const auto arena = d.allocate_pinned(2 * far, "another");
  const stream_id s = d.create_stream("s");
  const copy_piece down[] = {{slab.data() + far, arena.data(), 512}, {slab.data(), arena.data() + far, 512}};
  const copy_piece within[] = {{slab.data(), slab.data() + far, 4096}};
  d.copy_batch(s, in, down);
  d.copy_kernel_launch(s, {"k", copy_route::to_device}, down);
  d.copy_kernel_launch(s, {"k", copy_route::on_device}, within);
  d.wait_sync(d.record(s));
  REQUIRE(d.now() == (0.5 + 0.25 + 1) + 3 + 3);
}

TEST_CASE("the ordering checker sees what every piece reads and writes, and nothing between the pieces")
{
  struct seen
  {
    copy_route route;
    bool by_kernel;
  };
  for (const seen call :
       {seen{copy_route::to_device, false}, seen{copy_route::from_device, false}, seen{copy_route::on_host, false},
        seen{copy_route::to_device, true}, seen{copy_route::from_device, true}, seen{copy_route::on_device, true}}) {
    for (const bool reads : {true, false}) {      // does the other stream read what is written, or write what is read?
      for (const bool between : {false, true}) {  // does it touch a piece, or a gap?
        for (const bool ordered : {false, true}) {
          CAPTURE(static_cast<int>(call.route), call.by_kernel, reads, between, ordered);
          bench t;
          const auto pieces = t.pieces(call.route, 4, 64);
          if (call.by_kernel) t.d.copy_kernel_launch(t.a, {"mover", call.route}, pieces);
          else t.d.copy_batch(t.a, direction_of(call.route), pieces);
          if (ordered) t.d.wait(t.b, t.d.record(t.a));
          const std::byte* const end = reads ? pieces[2].dst : pieces[2].src;
          const emulated_device::memory_range touched[] = {{end + (between ? 64 : 10), 8}};
          if (reads) t.d.launch(t.b, {"other", 0, touched, {}}, [] {});
          else t.d.launch(t.b, {"other", 0, {}, touched}, [] {});
          const auto found = t.d.violations();
          REQUIRE(found.size() == (between || ordered ? 0 : 1));
          if (found.empty()) continue;
          REQUIRE(found[0].first.label == (call.by_kernel                        ? "mover"
                                           : call.route == copy_route::to_device ? "copy to device"
                                           : call.route == copy_route::on_host   ? "copy on the host"
                                                                                 : "copy from device"));
          REQUIRE(found[0].first.writes == reads);
          REQUIRE(found[0].second.label == "other");
          REQUIRE(found[0].end - found[0].begin == 8);
        }
      }
    }
  }
}

TEST_CASE("batches and copy kernels that are never right")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  emulated_device_config config;
  config.time = time;
  emulated_device d(config);
  const auto device = d.allocate_device(64, "device");
  const auto more = d.allocate_device(64, "more");
  const auto host = d.allocate_pinned(64, "host");
  std::byte outside[64] = {};
  const stream_id s = d.create_stream("onload");
  const copy_piece good{device.data(), host.data(), 8};
  const auto batch = [&](copy_direction way, copy_piece bad) {
    return sentence_of<usage_error>([&] {
      const copy_piece pieces[] = {way == in    ? good
                                   : way == out ? copy_piece{host.data(), device.data(), 8}
                                                : copy_piece{outside, outside + 16, 8},
                                   bad};
      d.copy_batch(s, way, pieces);
    });
  };
  const auto kernel = [&](copy_route route, std::string_view label, copy_piece only) {
    return sentence_of<usage_error>([&] { d.copy_kernel_launch(s, {label, route}, {&only, 1}); });
  };
  const std::string_view device_end = " does not lie within one allocation of device memory";
  const auto with = [](std::string_view what, std::string_view why) { return std::string(what) + std::string(why); };

  REQUIRE(sentence_of<usage_error>([&] { d.copy_batch(stream_id{7}, in, {}); }) ==
          "stream 7 is unknown: this device has 1 stream");
  REQUIRE(sentence_of<usage_error>([&] { d.copy_kernel_launch(stream_id{7}, {}, {}); }) ==
          "stream 7 is unknown: this device has 1 stream");
  REQUIRE(batch(in, {nullptr, host.data(), 8}) ==
          "copy to device (pieces[1] of 2) of 8 bytes on stream 'onload': an address is null");
  REQUIRE(batch(out, {host.data() + 8, nullptr, 8}) ==
          "copy from device (pieces[1] of 2) of 8 bytes on stream 'onload': an address is null");
  REQUIRE(batch(in, {device.data() + 8, host.data(), 0}) ==
          "copy to device (pieces[1] of 2) of 0 bytes on stream 'onload': it has no bytes");
  REQUIRE(batch(in, {device.data() + 60, host.data(), 5}) ==
          with("copy to device (pieces[1] of 2) of 5 bytes on stream 'onload': its destination", device_end));
  REQUIRE(batch(out, {host.data() + 8, outside, 5}) ==
          with("copy from device (pieces[1] of 2) of 5 bytes on stream 'onload': its source", device_end));
  REQUIRE(batch(in, {device.data() + 7, host.data() + 32, 4}) ==
          "copy to device (pieces[1] of 2) of 4 bytes on stream 'onload': it overlaps what a piece of the same call "
          "writes");
  REQUIRE(batch(in, {device.data() + 32, device.data() + 4, 8}).find("overlaps") != std::string::npos);  // reads it
  REQUIRE(sentence_of<usage_error>([&] { d.copy(s, in, device.data(), device.data() + 4, 8); }) ==
          "copy to device of 8 bytes on stream 'onload': its source overlaps its destination");

  // On the host neither end may lie in device memory, as far as its first or last byte tells.
  for (std::byte* const wrong : {device.data(), device.data() + 63, more.data() - 7}) {
    REQUIRE(batch(on_host, {wrong, host.data(), 8}) ==
            "copy on the host (pieces[1] of 2) of 8 bytes on stream 'onload': its destination lies in device memory, "
            "but it "
            "copies on the host");
    REQUIRE(
        sentence_of<usage_error>([&] { d.copy(s, on_host, outside, wrong, 8); }) ==
        "copy on the host of 8 bytes on stream 'onload': its source lies in device memory, but it copies on the host");
  }
  REQUIRE(batch(on_host, {outside + 7, host.data(), 4}) ==
          "copy on the host (pieces[1] of 2) of 4 bytes on stream 'onload': it overlaps what a piece of the same call "
          "writes");
  REQUIRE(kernel(copy_route::on_host, "k", {host.data(), host.data() + 32, 8}) ==
          "copy kernel 'k' (pieces[0] of 1) of 8 bytes on stream 'onload': no kernel copies from host memory to host "
          "memory");
  REQUIRE(kernel(copy_route::to_device, "scatter", {device.data(), outside, 8}) ==
          "copy kernel 'scatter' (pieces[0] of 1) of 8 bytes on stream 'onload': its source does not lie within one "
          "allocation of pinned memory");
  REQUIRE(kernel(copy_route::from_device, {}, {outside, device.data(), 8}) ==
          "copy kernel (pieces[0] of 1) of 8 bytes on stream 'onload': its destination does not lie within one "
          "allocation of pinned memory");
  REQUIRE(kernel(copy_route::on_device, "p", {host.data(), device.data(), 8}) ==
          with("copy kernel 'p' (pieces[0] of 1) of 8 bytes on stream 'onload': its destination", device_end));
  REQUIRE(kernel(copy_route::on_device, "p", {device.data(), host.data(), 8}) ==
          with("copy kernel 'p' (pieces[0] of 1) of 8 bytes on stream 'onload': its source", device_end));
  REQUIRE(kernel(copy_route::on_device, "p", {device.data() + 4, device.data(), 8}).find("overlaps") !=
          std::string::npos);
  REQUIRE(kernel(copy_route::on_device, "p", {device.data(), device.data(), 8}).find("overlaps") != std::string::npos);

  REQUIRE(d.stats().launches() == 0);  // none of it was queued
  REQUIRE(d.record(s) == event{s, 0});
  const copy_piece touching[] = {{device.data() + 8, device.data() + 16, 8},  // neighbours do not overlap
                                 {more.data(), device.data() + 16, 8},        // and may be read twice
                                 {device.data(), device.data() + 24, 8}};
  d.copy_kernel_launch(s, {"fine", copy_route::on_device}, touching);
  d.wait_sync(d.record(s));
}

TEST_CASE("overlaps of pieces are found as a comparison of all pairs finds them")
{
  std::mt19937_64 random(11);
  std::size_t clean = 0;
  std::size_t clashes = 0;
  std::vector<std::byte> buffer(400);
  for (int round = 0; round < 4000; ++round) {
    const bool apart = random() % 2 == 0;
    std::vector<copy_piece> pieces(1 + random() % 6);
    for (copy_piece& p : pieces) {
      p.bytes = 1 + random() % 12;
      p.dst = buffer.data() + random() % (apart ? 188 : 388);
      p.src = buffer.data() + (apart ? 200 : 0) + random() % (apart ? 188 : 388);
    }
    const auto meet = [](const std::byte* x, std::size_t xn, const std::byte* y, std::size_t yn) {
      return x < y + yn && y < x + xn;
    };
    bool expected = false;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      for (std::size_t j = 0; j < pieces.size(); ++j) {
        const copy_piece& x = pieces[i];
        const copy_piece& y = pieces[j];
        if (i != j && meet(x.dst, x.bytes, y.dst, y.bytes)) expected = true;
        if (meet(x.dst, x.bytes, y.src, y.bytes)) expected = true;
      }
    }
    REQUIRE(emulated::overlapping_piece(pieces).has_value() == expected);
    ++(expected ? clashes : clean);
  }
  REQUIRE(clean > 500);
  REQUIRE(clashes > 500);
}

TEST_CASE("random batches and copy kernels leave the bytes that one copy after the other leaves")
{
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    emulated_device_config config = priced();
    config.seed = seed;
    config.reorder_copies = seed % 2 == 1;
    config.jitter_seconds = seed % 3 == 0 ? 0 : 0.75;
    if (seed >= 9) {
      config = {};
      config.check_ordering = true;
    }
    bench t(config);
    std::vector<std::byte> slab(65536);
    std::vector<std::byte> arena(65536);
    std::mt19937_64 random(seed);
    for (std::size_t i = 0; i < arena.size(); ++i) arena[i] = static_cast<std::byte>(random() & 0xFF);
    std::memcpy(t.arena.data(), arena.data(), arena.size());
    for (int step = 0; step < 120; ++step) {
      const auto route = static_cast<copy_route>(random() % 4);
      const bool kernel = route == copy_route::on_device || (route != copy_route::on_host && random() % 2 == 0);
      std::vector<copy_piece> real;
      std::vector<copy_piece> model;
      const std::size_t stride = 65536 / 2 / 16;
      const bool within = route == copy_route::on_device || route == copy_route::on_host;
      const std::size_t from = within ? 32768 : random() % 2 * 32768;
      for (std::size_t i = 0; i < 1 + random() % 16; ++i) {
        const std::size_t dst = (15 - i) * stride + random() % 64;
        const std::size_t src = from + random() % (32768 - stride);
        const std::size_t bytes = 1 + random() % (stride - 64);
        const bool up = route == copy_route::from_device || route == copy_route::on_host;
        const bool down = route == copy_route::to_device || route == copy_route::on_host;
        real.push_back({(up ? t.arena : t.slab).data() + dst, (down ? t.arena : t.slab).data() + src, bytes});
        model.push_back({(up ? arena : slab).data() + dst, (down ? arena : slab).data() + src, bytes});
      }
      const stream_id s = random() % 2 == 0 ? t.a : t.b;
      t.d.wait(s, t.d.record(s == t.a ? t.b : t.a));
      if (kernel) t.d.copy_kernel_launch(s, {"k", route, static_cast<std::uint32_t>(random() % 4)}, real);
      else t.d.copy_batch(s, direction_of(route), real);
      for (const copy_piece& p : model) std::memcpy(p.dst, p.src, p.bytes);
    }
    t.seconds_until_idle();
    REQUIRE(std::memcmp(t.slab.data(), slab.data(), slab.size()) == 0);
    REQUIRE(std::memcmp(t.arena.data(), arena.data(), arena.size()) == 0);
    REQUIRE(t.d.violations().empty());
  }
}
