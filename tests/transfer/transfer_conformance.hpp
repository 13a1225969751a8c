// What every copy engine and every transfer policy must do: run them on your own with a file of a few lines,
//
//   TEST_CASE("my engine") { kvstrata_test::copy_engine_conformance<my_engine>(); }
//   TEST_CASE("my transfer") { kvstrata_test::transfer_conformance<my_transfer<>>(); }
//
// The oracle is memcpy over the copy list, piece by piece, into shadows of both memories. The device runs in virtual
// time, with delays that other seeds draw otherwise, and its ordering checker watches.
#pragma once

#include "layout/layout_conformance.hpp"
#include "layout/page_first_layout.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace kvstrata_test {

/// A slab and a lower tier full of random bytes, a random copy list between them, and what both must hold after it.
class transfer_rig
{
 public:
  static constexpr kvstrata::geometry shape{
      .layers = 5, .kv_heads = 2, .head_dim = 8, .element = kvstrata::element_type::bf16};
  static constexpr kvstrata::page_count slab_pages = 60;
  static constexpr kvstrata::page_count frames = 160;

  explicit transfer_rig(std::uint32_t seed) : d(config(seed)), random(seed)
  {
    switch (seed % 3) {
      case 0: build(kvstrata::paged_layout{.page_tokens = 8}); break;
      case 1: build(kvstrata::hybrid_layout{.page_tokens = 8, .chunk = 64}); break;
      case 2: build(page_first_layout{.page_tokens = 8}); break;
    }
    compute = d.create_stream("compute");
    scramble(slab.data(), slab.size());
    scramble(arena.data(), arena.size());
    remember();
  }

  /// Takes what both memories hold now as the state before the transfer.
  void remember()
  {
    slab_before.assign(slab.data(), slab.data() + slab.size());
    arena_before.assign(arena.data(), arena.data() + arena.size());
  }

  /// Calls piece(device byte, lower byte) for every page of the list in one layer.
  template <class Piece>
  void each_piece(kvstrata::layer_index layer, Piece&& piece) const
  {
    for (const kvstrata::copy_run& run : list.runs) {
      for (kvstrata::page_count page = 0; page < run.pages; ++page) {
        piece(run.device_offset + run.device_place.offset(layer, page),
              run.lower_offset + run.lower_place.offset(layer, page));
      }
    }
  }

  /// Have the first `layers` layers arrived?
  [[nodiscard]] bool arrived(kvstrata::copy_direction direction, kvstrata::layer_index layers) const
  {
    bool all = true;
    for (kvstrata::layer_index layer = 0; layer < layers; ++layer) {
      each_piece(layer, [&](std::size_t on_device, std::size_t below) {
        const bool same = direction == kvstrata::copy_direction::to_device
                              ? std::memcmp(slab.data() + on_device, &arena_before[below], list.piece_bytes) == 0
                              : std::memcmp(arena.data() + below, &slab_before[on_device], list.piece_bytes) == 0;
        all = all && same;
      });
    }
    return all;
  }

  /// Do both memories hold, byte for byte, what the list makes of them in `direction` and layers [begin, end)?
  [[nodiscard]] bool is_done(kvstrata::copy_direction direction, kvstrata::layer_index begin,
                             kvstrata::layer_index end) const
  {
    std::vector<std::byte> slab_after = slab_before;
    std::vector<std::byte> arena_after = arena_before;
    for (kvstrata::layer_index layer = begin; layer < end; ++layer) {
      each_piece(layer, [&](std::size_t on_device, std::size_t below) {
        if (direction == kvstrata::copy_direction::to_device) {
          std::memcpy(&slab_after[on_device], &arena_before[below], list.piece_bytes);
        } else {
          std::memcpy(&arena_after[below], &slab_before[on_device], list.piece_bytes);
        }
      });
    }
    return std::memcmp(slab.data(), slab_after.data(), slab.size()) == 0 &&
           std::memcmp(arena.data(), arena_after.data(), arena.size()) == 0;
  }

  /// Queues a kernel that scrambles `bytes` bytes, long after now, and adds what it writes to the shadow `before`.
  kvstrata::event write_late(std::byte* at, std::byte* before, std::size_t bytes, double seconds = 1e-3)
  {
    std::vector<std::byte> fresh(bytes);
    scramble(fresh.data(), bytes);
    std::memcpy(before, fresh.data(), bytes);
    const kvstrata::emulated_device::memory_range written[] = {{at, bytes}};
    d.launch(compute, {.label = "write", .seconds = seconds, .writes = written},
             [at, fresh = std::move(fresh)] { std::memcpy(at, fresh.data(), fresh.size()); });
    return d.record(compute);
  }

  /// One layer of the slab: the pages of all users in it lie side by side.
  [[nodiscard]] std::size_t slab_layer_bytes() const { return slab_pages * list.piece_bytes; }

  [[nodiscard]] std::uint64_t pages() const
  {
    std::uint64_t sum = 0;
    for (const kvstrata::copy_run& run : list.runs) sum += run.pages;
    return sum;
  }

  kvstrata::emulated_device d;
  random_bits random;
  kvstrata::emulated_device::memory slab, arena;
  std::vector<std::byte> slab_before, arena_before;
  kvstrata::copy_list list;
  kvstrata::stream_id compute{};

 private:
  static kvstrata::emulated_device_config config(std::uint32_t seed)
  {
    kvstrata::emulated_device_config c;
    c.time = kvstrata::time_mode::virtual_time;
    c.seed = seed;
    c.to_device = {20e9, 1e-6};
    c.from_device = {20e9, 1e-6};
    c.jitter_seconds = seed % 2 == 0 ? 0 : 50e-6;
    c.check_ordering = true;
    return c;
  }

  /// Two users' histories, part of each to be moved.
  template <class Layout>
  void build(const Layout& layout)
  {
    slab = d.allocate_device(slab_pages * kvstrata::page_bytes(shape, layout.page_tokens), "slab");
    arena = d.allocate_pinned(frames * kvstrata::page_bytes(shape, layout.page_tokens), "arena");
    list.device_base = slab.data();
    list.lower_base = arena.data();
    list.piece_bytes = kvstrata::page_layer_bytes(shape, layout.page_tokens);
    list.layers = shape.layers;
    const std::vector<kvstrata::page_id> ids = partly_consecutive(random, slab_pages, 12);
    kvstrata::page_count next_frame = 0;
    for (const kvstrata::page_count user : {0U, 1U}) {
      const std::span<const kvstrata::page_id> pages = std::span(ids).subspan(user * 30, 30);
      std::vector<kvstrata::placed_extent> extents = grown_extents(random, layout, 0, 30);
      kvstrata::page_count end = next_frame;
      for (kvstrata::placed_extent& e : extents) {
        e.frame += next_frame;
        end = (std::max)(end, e.frame + e.pages);
      }
      next_frame = end;
      REQUIRE(next_frame <= frames);
      const kvstrata::page_count from = draw(random, 15);
      const kvstrata::page_interval wanted{from, from + 1 + draw(random, 15)};
      append_copy_runs(list.runs, layout, shape, layout.device_place(shape, slab_pages), pages, 0,
                       std::span<const kvstrata::placed_extent>(extents), wanted);
    }
  }

  void scramble(std::byte* at, std::size_t bytes)
  {
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<std::byte>(random() & 0xFFU);
  }
};

template <class Engine>
  requires kvstrata::copy_engine<Engine, kvstrata::emulated_device>
void copy_engine_conformance()
{
  using namespace kvstrata;
  using bound = typename Engine::template on<emulated_device>;
  constexpr copy_direction ways[] = {copy_direction::to_device, copy_direction::from_device};

  SECTION("one layer arrives where the list says, and nothing else changes")
  {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        bound engine(r.d);
        const layer_index layer = seed % transfer_rig::shape.layers;
        const std::uint64_t copies = engine.copy(r.compute, way, r.list, layer);
        REQUIRE(r.d.stats().host_waits == 0);
        r.d.wait_sync(r.d.record(r.compute));
        REQUIRE(r.is_done(way, layer, layer + 1));
        REQUIRE((copies >= 1 && copies <= r.pages()));
      }
    }
  }

  SECTION("all layers, one after the other")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      for (const copy_direction way : ways) {
        transfer_rig r(seed);
        bound engine(r.d);
        for (layer_index layer = 0; layer < r.list.layers; ++layer) {
          static_cast<void>(engine.copy(r.compute, way, r.list, layer));
        }
        r.d.wait_sync(r.d.record(r.compute));
        REQUIRE(r.is_done(way, 0, r.list.layers));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("copies come after what the stream was given before, and before what it is given later")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      transfer_rig r(seed);
      bound engine(r.d);
      static_cast<void>(r.write_late(r.slab.data(), r.slab_before.data(), r.slab.size()));
      static_cast<void>(engine.copy(r.compute, copy_direction::from_device, r.list, 1));
      std::vector<std::byte> later(r.slab.size());
      static_cast<void>(r.write_late(r.slab.data(), later.data(), r.slab.size(), 0));
      r.d.wait_sync(r.d.record(r.compute));
      REQUIRE(std::memcmp(r.slab.data(), later.data(), later.size()) == 0);
      std::memcpy(r.slab.data(), r.slab_before.data(), later.size());
      REQUIRE(r.is_done(copy_direction::from_device, 1, 2));
      REQUIRE(r.d.violations().empty());
    }
  }

  SECTION("an empty list takes no copies")
  {
    transfer_rig r(0);
    bound engine(r.d);
    r.list.runs.clear();
    REQUIRE(engine.copy(r.compute, copy_direction::to_device, r.list, 0) == 0);
    REQUIRE(r.d.stats().launches() == 0);
  }
}

template <class Transfer>
  requires kvstrata::transfer_policy<Transfer, kvstrata::emulated_device>
void transfer_conformance()
{
  using namespace kvstrata;
  using channel_type = typename Transfer::template on<emulated_device>;
  constexpr copy_direction up = copy_direction::to_device;
  constexpr copy_direction down = copy_direction::from_device;

  SECTION("bytes arrive where the list says, and nowhere else")
  {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      transfer_rig r(seed);
      channel_type channel(r.d);
      const ticket came = channel.onload(r.list, {});
      r.d.wait_sync(came.last());
      REQUIRE(r.is_done(up, 0, r.list.layers));
      r.remember();
      std::memset(r.arena.data(), 0x77, r.arena.size());
      r.arena_before.assign(r.arena.size(), std::byte{0x77});
      const ticket went = channel.offload(r.list, {}, came.last());
      r.d.wait_sync(went.last());
      REQUIRE(r.is_done(down, 0, r.list.layers));
      REQUIRE(r.d.violations().empty());
    }
  }

  SECTION("a ticket has an event a layer, ascending on one stream, and the figures")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      transfer_rig r(seed);
      channel_type channel(r.d);
      const ticket tickets[] = {channel.onload(r.list, {}), channel.offload(r.list, {}, {})};
      for (const ticket& t : tickets) {
        REQUIRE_FALSE(t.empty());
        REQUIRE(t.layers.size() == r.list.layers);
        REQUIRE(t.last() == t.layers.back());
        for (layer_index layer = 1; layer < r.list.layers; ++layer) {
          REQUIRE(t.layer(layer) == t.layers[layer]);
          REQUIRE(t.layers[layer].stream == t.layers[0].stream);
          REQUIRE(t.layers[layer].sequence > t.layers[layer - 1].sequence);
        }
        REQUIRE(t.bytes == r.list.bytes());
        REQUIRE(t.bytes == r.pages() * r.list.piece_bytes * r.list.layers);
        REQUIRE((t.copies >= 1 && t.copies <= r.pages() * r.list.layers));
      }
      const device_counters all = r.d.stats();
      REQUIRE((all.to_device.bytes >= tickets[0].bytes && all.from_device.bytes >= tickets[1].bytes));
      r.d.wait_sync(tickets[1].last());
    }
  }

  SECTION("a layer has arrived when its event has come to pass")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      for (const copy_direction way : {up, down}) {
        transfer_rig r(seed);
        channel_type channel(r.d);
        const ticket t = way == up ? channel.onload(r.list, {}) : channel.offload(r.list, {}, {});
        for (layer_index layer = 0; layer < r.list.layers; ++layer) {
          r.d.wait_sync(t.layer(layer));
          REQUIRE(r.arrived(way, layer + 1));
        }
        REQUIRE(r.is_done(way, 0, r.list.layers));
      }
    }
  }

  SECTION("nothing starts before `after`, be it of one stream or of several")
  {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      for (const copy_direction way : {up, down}) {
        CAPTURE(seed);
        transfer_rig r(seed);
        channel_type channel(r.d);
        const stream_id reader = r.d.create_stream("reader");
        fence after;
        // The source is still being written, and the destination still being read.
        std::byte* const from = way == up ? r.arena.data() : r.slab.data();
        std::byte* const shadow = way == up ? r.arena_before.data() : r.slab_before.data();
        after.add(r.write_late(from, shadow, way == up ? r.arena.size() : r.slab.size(), 2e-3));
        const std::byte* const to = way == up ? r.slab.data() : r.arena.data();
        const std::vector<std::byte>& before = way == up ? r.slab_before : r.arena_before;
        bool undisturbed = false;
        const emulated_device::memory_range read[] = {{to, before.size()}};
        r.d.launch(reader, {.label = "read", .seconds = 3e-3, .reads = read},
                   [&] { undisturbed = std::memcmp(to, before.data(), before.size()) == 0; });
        after.add(r.d.record(reader));
        const ticket t = way == up ? channel.onload(r.list, after) : channel.offload(r.list, {}, after);
        r.d.wait_sync(t.last());
        REQUIRE(undisturbed);
        REQUIRE(r.is_done(way, 0, r.list.layers));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("an offload's layer starts after the layer is ready, one by one")
  {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      transfer_rig r(seed);
      channel_type channel(r.d);
      std::vector<event> ready;
      for (layer_index layer = 0; layer < r.list.layers; ++layer) {
        const std::size_t begin = layer * r.slab_layer_bytes();
        ready.push_back(r.write_late(r.slab.data() + begin, r.slab_before.data() + begin, r.slab_layer_bytes(), 1e-3));
      }
      const ticket t = channel.offload(r.list, ready, {});
      r.d.wait_sync(t.last());
      REQUIRE(r.is_done(down, 0, r.list.layers));
      REQUIRE(r.d.violations().empty());
    }
  }

  SECTION("`after` holds beside `ready`")
  {
    transfer_rig r(1);
    channel_type channel(r.d);
    const stream_id other = r.d.create_stream("other");
    bool undisturbed = false;
    const emulated_device::memory_range read[] = {{r.arena.data(), r.arena.size()}};
    r.d.launch(other, {.label = "read", .seconds = 10e-3, .reads = read},
               [&] { undisturbed = std::memcmp(r.arena.data(), r.arena_before.data(), r.arena.size()) == 0; });
    const std::vector<event> ready(r.list.layers,
                                   r.write_late(r.slab.data(), r.slab_before.data(), r.slab.size(), 1e-3));
    const ticket t = channel.offload(r.list, ready, r.d.record(other));
    r.d.wait_sync(t.last());
    REQUIRE(undisturbed);
    REQUIRE(r.is_done(down, 0, r.list.layers));
    REQUIRE(r.d.violations().empty());
  }

  SECTION("an empty list gives an empty ticket and queues nothing, whatever it is to wait for")
  {
    transfer_rig r(2);
    channel_type channel(r.d);
    r.list.runs.clear();
    const event late = r.write_late(r.slab.data(), r.slab_before.data(), 64, 1);
    const std::vector<event> ready(r.list.layers, late);
    const std::uint64_t launches = r.d.stats().launches();
    for (const ticket& t : {channel.onload(r.list, late), channel.offload(r.list, ready, late)}) {
      REQUIRE(t.empty());
      REQUIRE(t.bytes == 0);
      REQUIRE(t.copies == 0);
      REQUIRE(t.last() == event{});
      REQUIRE(t.layer(3) == event{});
      REQUIRE(r.d.query(t.last()));
    }
    REQUIRE(r.d.stats().launches() == launches);
    REQUIRE(r.d.stats().host_waits == 0);
  }

  SECTION("transfers that follow each other on the same bytes keep their order")
  {
    transfer_rig r(4);
    channel_type channel(r.d);
    std::vector<std::byte> expected = r.slab_before;
    const ticket first = channel.offload(r.list, {}, {});  // the list's pages down
    const event overwritten = [&] {                        // the slab is used for something else
      r.d.wait(r.compute, first.last());
      return r.write_late(r.slab.data(), r.slab_before.data(), r.slab.size());
    }();
    fence after(overwritten);
    after.add(first.last());
    const ticket second = channel.onload(r.list, after);  // and they come back
    r.d.wait_sync(second.last());
    bool same = true;
    for (layer_index layer = 0; layer < r.list.layers; ++layer) {
      r.each_piece(layer, [&](std::size_t on_device, std::size_t) {
        same = same && std::memcmp(r.slab.data() + on_device, &expected[on_device], r.list.piece_bytes) == 0;
      });
    }
    REQUIRE(same);
    REQUIRE(r.d.violations().empty());
  }
}

/// A write policy is arithmetic: never past what is committed, and never taking back what it asked for before.
template <kvstrata::write_policy Writes>
void write_policy_conformance()
{
  for (const kvstrata::token_count page : {1U, 4U, 32U}) {
    for (const kvstrata::token_count chunk : {page, 3 * page, 32 * page}) {
      kvstrata::token_count before = 0;
      for (kvstrata::token_count tokens = 0; tokens < 5000; tokens += 1 + tokens / 97) {
        const kvstrata::token_count end = Writes::flushed_end(tokens, page, chunk);
        CAPTURE(tokens, page, chunk);
        REQUIRE(end <= tokens);
        REQUIRE(end >= before);
        before = end;
      }
    }
  }
}

}  // namespace kvstrata_test
