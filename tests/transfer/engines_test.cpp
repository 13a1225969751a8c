// What tells the copy engines apart: calls, pieces, caps, rings, budgets, and what overlaps what. Costs are powers of
// two, so that virtual times are compared exactly.
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

using namespace kvstrata;

namespace {

constexpr double unit = 1.0 / 1024;
constexpr std::size_t piece = 1024;  // bytes of a page in a layer
constexpr page_count slab_pages = 128;
constexpr std::uint32_t layers = 4;
constexpr copy_direction up = copy_direction::to_device;
constexpr copy_direction down = copy_direction::from_device;

/// A slab and a memory below it, both layer by layer, and a list each way between them, of the same pages.
struct bench
{
  explicit bench(emulated_device_config c = {}) : d(virtual_time(c))
  {
    slab = d.allocate_device(slab_pages * layers * piece, "slab");
    arena = d.allocate_pinned(slab_pages * layers * piece, "arena");
    for (copy_list* all : {&up_list, &down_list}) {
      all->piece_bytes = piece;
      all->layers = layers;
    }
  }

  static emulated_device_config virtual_time(emulated_device_config c)
  {
    c.time = time_mode::virtual_time;
    c.check_ordering = true;
    c.trace = true;
    return c;
  }

  /// `pages` pages from `lower` on, to or from device page `device` on.
  void add_run(page_count device, page_count lower, page_count pages)
  {
    const copy_end on_device{slab.data() + device * piece, where};
    const copy_end below{arena.data() + lower * piece, where};
    up_list.runs.push_back({.from = below, .to = on_device, .pages = pages});
    down_list.runs.push_back({.from = on_device, .to = below, .pages = pages});
  }
  void clear_runs()
  {
    up_list.runs.clear();
    down_list.runs.clear();
  }
  /// Relocations from device page to device page.
  struct moved_pages
  {
    page_count from, to, pages;
  };
  [[nodiscard]] copy_list relocation(std::initializer_list<moved_pages> all) const
  {
    copy_list out{.piece_bytes = piece, .layers = layers, .runs = {}};
    for (const moved_pages& m : all) {
      out.runs.push_back({{slab.data() + m.from * piece, where}, {slab.data() + m.to * piece, where}, m.pages});
    }
    return out;
  }
  /// Pages [0, pages) below, side by side, on every second page of the device.
  void scatter(page_count pages)
  {
    for (page_count i = 0; i < pages; ++i) add_run(2 * i, i, 1);
  }

  /// What one layer takes, queued alone and waited for.
  template <class Engine>
  copied move(copy_direction way, layer_index layer = 0)
  {
    typename Engine::template on<emulated_device> engine(d, way);
    const copied out = engine.copy(way == up ? up_list : down_list, layer, {});
    d.wait_sync(out.done);
    return out;
  }

  [[nodiscard]] std::vector<op_span> spans(std::string_view stream) const
  {
    std::vector<op_span> out;
    for (const op_span& s : d.trace()) {
      if (s.stream_name == stream && s.kind != operation_kind::wait) out.push_back(s);
    }
    return out;
  }

  emulated_device d;
  emulated_device::memory slab, arena;
  copy_list up_list, down_list;
  static constexpr placement where{.layer_stride = slab_pages * piece, .page_stride = piece};
};

/// A device with copies alone: what the optional calls of others are hidden behind.
class plain_device
{
 public:
  using memory = emulated_device::memory;
  explicit plain_device(emulated_device& d) : d_(&d) {}
  memory allocate_device(std::size_t bytes, std::string_view name) { return d_->allocate_device(bytes, name); }
  memory allocate_pinned(std::size_t bytes, std::string_view name) { return d_->allocate_pinned(bytes, name); }
  stream_id create_stream(std::string_view name) { return d_->create_stream(name); }
  event record(stream_id stream) { return d_->record(stream); }
  void wait(stream_id stream, event point) { d_->wait(stream, point); }
  bool query(event point) { return d_->query(point); }
  void wait_sync(event point) { d_->wait_sync(point); }
  void copy(stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    d_->copy(stream, direction, dst, src, bytes);
  }

 private:
  emulated_device* d_;
};
static_assert(device<plain_device> && !batches_copies<plain_device> && !runs_copy_kernels<plain_device>);
static_assert(copy_engine<batched_copy<>, plain_device> && copy_engine<coalesced_copy, plain_device>);
static_assert(!copy_engine<staged_copy<>, plain_device> && !copy_engine<kernel_copy<>, plain_device>);
static_assert(!copy_engine<window_copy<>, plain_device>);

}  // namespace

TEST_CASE("per-page copy makes a call a page, coalesced copy one a run that is dense on both sides", "[transfer]")
{
  for (const copy_direction way : {up, down}) {
    bench b;
    b.add_run(0, 0, 7);
    b.add_run(20, 30, 5);
    CHECK(b.move<per_page_copy>(way).calls == 12);
    CHECK(b.move<coalesced_copy>(way).calls == 2);
    b.up_list.runs[1].from.where.page_stride = b.down_list.runs[1].to.where.page_stride =
        2 * piece;  // every second one
    CHECK(b.move<coalesced_copy>(way).calls == 1 + 5);
  }
}

TEST_CASE("batched copy makes one call, whatever the list", "[transfer]")
{
  for (const copy_direction way : {up, down}) {
    bench b({.to_device = {.latency_seconds = unit, .piece_seconds = unit / 16},
             .from_device = {.latency_seconds = unit, .piece_seconds = unit / 16}});
    b.scatter(40);
    const copied out = b.move<batched_copy<>>(way);
    CHECK(out.calls == 1);
    CHECK(out.pieces == 40);
    CHECK(b.d.now() == unit + 40 * unit / 16);
    CHECK(b.d.stats().by(way == up ? copy_route::to_device : copy_route::from_device).copies == 1);
  }
}

TEST_CASE("a batch has no more pieces than its cap; a longer list goes in several", "[transfer]")
{
  bench b;
  b.scatter(40);
  const auto pieces_of_calls = [&] {
    std::vector<std::size_t> out;
    for (const op_span& s : b.spans("onload")) out.push_back(s.pieces);
    b.d.clear_trace();
    return out;
  };
  const copied by_sixteen = b.move<batched_copy<16>>(up);
  CHECK(by_sixteen.calls == 3);
  CHECK(by_sixteen.pieces == 40);
  CHECK(pieces_of_calls() == std::vector<std::size_t>{16, 16, 8});
  CHECK(b.move<batched_copy<20>>(up).calls == 2);
  CHECK(pieces_of_calls() == std::vector<std::size_t>{20, 20});
  CHECK(b.move<batched_copy<40>>(up).calls == 1);
  CHECK(b.move<batched_copy<39>>(up).calls == 2);
  CHECK(b.move<batched_copy<1>>(up).calls == 40);
}

TEST_CASE("batched copy joins what is dense on both sides, across runs, too", "[transfer]")
{
  bench b;
  b.add_run(0, 0, 4);
  b.add_run(4, 4, 4);    // goes on on both sides
  b.add_run(8, 20, 2);   // only on the device
  b.add_run(30, 22, 2);  // only below
  CHECK(b.move<batched_copy<>>(up).pieces == 3);
  CHECK(b.move<batched_copy<>>(down).pieces == 3);
}

TEST_CASE("without batches, batched copy copies piece by piece", "[transfer]")
{
  bench b;
  b.scatter(10);
  plain_device plain(b.d);
  batched_copy<4>::on<plain_device> engine(plain, up);
  const copied out = engine.copy(b.up_list, 0, {});
  CHECK(out.calls == 10);
  CHECK(out.pieces == 10);
  b.d.wait_sync(out.done);
  CHECK(b.d.stats().to_device == device_counters::traffic{10, 10 * piece, 10});
}

TEST_CASE("kernel copy takes one kernel a layer and keeps to its budget", "[transfer]")
{
  const copy_kernel_model kernels{.latency_seconds = unit, .sm_bytes_per_second = 16 * piece / unit};
  for (const copy_direction way : {up, down}) {
    const auto seconds = [&](auto engine) {
      bench b({.to_device = {.bytes_per_second = 64 * piece / unit},
               .from_device = {.bytes_per_second = 64 * piece / unit},
               .copy_kernels = kernels});
      b.scatter(64);
      const copied out = b.move<decltype(engine)>(way);
      CHECK(out.calls == 1);
      CHECK(out.pieces == 64);
      CHECK(b.d.stats().kernels == 1);
      CHECK(b.d.violations().empty());
      return b.d.now();
    };
    CHECK(seconds(kernel_copy<1>()) == unit + 4 * unit);
    CHECK(seconds(kernel_copy<2>()) == unit + 2 * unit);
    CHECK(seconds(kernel_copy<8>()) == unit + unit);  // the link is the limit
    CHECK(seconds(kernel_copy<0>()) == unit + unit);
  }
}

TEST_CASE("staged copy moves what lies side by side below in copies as large as a slot", "[transfer]")
{
  for (const copy_direction way : {up, down}) {
    bench b;
    b.scatter(40);
    const auto traffic = [&] { return way == up ? b.d.stats().to_device : b.d.stats().from_device; };
    const copied in_one = b.move<staged_copy<64 * piece, 2>>(way);
    CHECK(in_one.calls == 1 + 1);  // a copy, a kernel
    CHECK(in_one.pieces == 1 + 40);
    CHECK(traffic() == device_counters::traffic{1, 40 * piece, 1});
    CHECK(b.d.stats().on_device.bytes == 40 * piece);

    const copied in_three = b.move<staged_copy<16 * piece + piece / 2, 2>>(way);  // 16 pages a slot: pages stay whole
    CHECK(in_three.calls == 3 + 3);
    CHECK(in_three.pieces == 3 + 40);

    b.clear_runs();
    b.add_run(0, 0, 20);
    b.add_run(50, 20, 20);  // goes on below
    b.add_run(90, 60, 20);  // lies apart
    const copied apart = b.move<staged_copy<64 * piece, 2>>(way);
    CHECK(apart.calls == 2 + 1);
    CHECK(apart.pieces == 2 + 3);
    CHECK(b.d.violations().empty());
  }
}

TEST_CASE("a page that does not fit into a slot is refused in a sentence, and nothing is queued", "[transfer]")
{
  bench b;
  b.scatter(4);
  staged_copy<piece - 1, 2>::on<emulated_device> engine(b.d, up);
  CHECK_THROWS_WITH(engine.copy(b.up_list, 0, {}),
                    "staged_copy's SlotBytes is 1023, but a page of one layer, which is never split, is 1024 bytes");
  CHECK(b.d.stats().launches() == 0);
  CHECK_THROWS_AS(engine.copy(b.up_list, 0, {}), config_error);
}

TEST_CASE("slots are device memory that is taken once and given back", "[transfer]")
{
  bench b;
  b.scatter(40);
  const std::size_t before = b.d.device_bytes_used();
  {
    staged_copy<8 * piece, 3>::on<emulated_device> engine(b.d, up);
    CHECK(b.d.device_bytes_used() - before == 24 * piece);
    for (layer_index l = 0; l < layers; ++l) static_cast<void>(engine.copy(b.up_list, l, {}));
    CHECK(b.d.device_bytes_used() - before == 24 * piece);
  }  // while its work is still under way
  CHECK(b.d.device_bytes_used() == before);
  b.d.advance_host(1);
  CHECK(b.d.violations().empty());
  using large = staged_copy<8 * piece, 3>::on<emulated_device>;
  emulated_device small({.device_bytes = 23 * piece, .time = time_mode::virtual_time});
  CHECK_THROWS_AS(large(small, up), capacity_error);
}

TEST_CASE("one slot is copied while another is scattered, and none is filled before it is free", "[transfer][time]")
{
  struct costs
  {
    double copy, kernel;
  };
  for (const copy_direction way : {up, down}) {
    for (const costs c : {costs{unit, unit}, costs{unit, 4 * unit}, costs{4 * unit, unit}}) {
      CAPTURE(c.copy, c.kernel);
      bench b({.to_device = {.latency_seconds = c.copy},
               .from_device = {.latency_seconds = c.copy},
               .copy_kernels = {.latency_seconds = c.kernel}});
      b.scatter(64);
      static_cast<void>(b.move<staged_copy<8 * piece, 2>>(way));  // 8 slots' worth
      const auto copies = b.spans(way == up ? "onload" : "offload");
      const auto kernels = b.spans(way == up ? "onload scatter" : "offload gather");
      REQUIRE(copies.size() == 8);
      REQUIRE(kernels.size() == 8);
      const auto& first = way == up ? copies : kernels;
      const auto& second = way == up ? kernels : copies;
      for (std::size_t i = 0; i < 8; ++i) {
        CHECK(first[i].end <= second[i].begin);
        if (i >= 2) CHECK(first[i].begin >= second[i - 2].end);           // the slot's last use
        if (i >= 1 && i < 7) CHECK(first[i + 1].begin <= second[i].end);  // the other slot meanwhile
      }
      CHECK(first[1].begin < second[0].end);  // they do overlap
      CHECK(b.d.now() == 7 * (std::max)(c.copy, c.kernel) + c.copy + c.kernel);
      CHECK(b.d.violations().empty());
    }
  }
}

TEST_CASE("with one slot nothing overlaps", "[transfer][time]")
{
  bench b({.to_device = {.latency_seconds = unit}, .copy_kernels = {.latency_seconds = unit}});
  b.scatter(64);
  static_cast<void>(b.move<staged_copy<8 * piece, 1>>(up));
  CHECK(b.d.now() == 8 * 2 * unit);
}

TEST_CASE("a relocation runs after its layer has landed, beside the onload of the next", "[transfer][time]")
{
  bench b({.to_device = {.latency_seconds = 4 * unit}, .copy_kernels = {.latency_seconds = unit}});
  b.add_run(100, 0, 20);  // the window: device pages 100 to 119
  const copy_list relocation = b.relocation({{100, 3, 10}, {110, 40, 10}});
  layerwise_transfer<window_copy<>>::on<emulated_device> channel(b.d);
  const ticket landed = channel.onload(b.up_list, {});
  const ticket relocated = channel.relocate(relocation, landed, {});
  CHECK(b.d.stats().host_waits == 0);
  CHECK(relocated.copies == layers);
  CHECK(relocated.pieces == 2 * layers);
  b.d.wait_sync(landed.last());
  CHECK(b.d.now() == layers * 4 * unit);  // relocating does not hold the onload up
  b.d.wait_sync(relocated.last());
  CHECK(b.d.now() == layers * 4 * unit + unit);
  const auto onloads = b.spans("onload");
  const auto relocations = b.spans("relocate");
  REQUIRE(onloads.size() == layers);
  REQUIRE(relocations.size() == layers);
  for (layer_index l = 0; l < layers; ++l) {
    CHECK(relocations[l].begin == onloads[l].end);
    if (l + 1 < layers) CHECK(relocations[l].end < onloads[l + 1].end);
  }
  CHECK(b.d.violations().empty());
}

TEST_CASE("a relocation that is not told what has landed is found", "[transfer][ordering]")
{
  bench b({.to_device = {.latency_seconds = unit}});
  b.add_run(100, 0, 20);
  const copy_list relocation = b.relocation({{100, 3, 20}});
  layerwise_transfer<window_copy<>>::on<emulated_device> channel(b.d);
  const ticket landed = channel.onload(b.up_list, {});
  const ticket relocated = channel.relocate(relocation, {}, {});
  b.d.wait_sync(landed.last());
  b.d.wait_sync(relocated.last());
  CHECK_FALSE(b.d.violations().empty());
}

TEST_CASE("only onloads land in a window", "[transfer]")
{
  bench b;
  window_copy<>::on<emulated_device> engine(b.d, down);
  CHECK_THROWS_AS(engine.relocate({}, 0, {}), usage_error);
}

TEST_CASE("each direction has the engine that it was given", "[transfer]")
{
  bench b;
  b.scatter(40);
  layerwise_transfer<onload_by<staged_copy<64 * piece, 2>>, offload_by<batched_copy<16>>>::on<emulated_device> mixed(
      b.d);
  const ticket came = mixed.onload(b.up_list, {});
  CHECK(came.copies == 2 * layers);
  const ticket went = mixed.offload(b.down_list, {}, came.last());
  CHECK(went.copies == 3 * layers);
  b.d.wait_sync(went.last());
  layerwise_transfer<kernel_copy<>, offload_by<per_page_copy>>::on<emulated_device> other(b.d);
  CHECK(other.onload(b.up_list, went.last()).copies == layers);
  const ticket last = other.offload(b.down_list, {}, {});
  CHECK(last.copies == 40 * layers);
  b.d.wait_sync(last.last());
}
