// What every copy engine and every transfer policy must do: run them on your own with a file of a few lines,
//
//   TEST_CASE("my engine") { kvstrata_test::copy_engine_conformance<my_engine>(); }
//   TEST_CASE("my transfer") { kvstrata_test::transfer_conformance<my_transfer<>>(); }
//   TEST_CASE("my policy") { kvstrata_test::write_policy_conformance<my_write_policy>(); }
//
// The oracle is memcpy over the copy list, piece by piece, into shadows of both memories. The device runs in virtual
// time, with delays that other seeds draw otherwise, and its ordering checker watches.
#pragma once

#include "layout/layout_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <tuple>
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
    using kvstrata::page_order;
    switch (seed % 5) {
      case 0: build(kvstrata::paged_layout{.page_tokens = 8, .host_order = page_order::layer_first}); break;
      case 1: build(kvstrata::hybrid_layout{.page_tokens = 8, .chunk = 64}); break;
      case 2:
        build(kvstrata::hybrid_layout{.page_tokens = 8, .chunk = 64, .host_order = page_order::page_first});
        break;
      case 3: build(kvstrata::contiguous_layout{.page_tokens = 8, .longest = 240}); break;
      case 4: build(kvstrata::paged_layout{.page_tokens = 8, .host_order = page_order::page_first}); break;
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
    c.copy_kernels = {.latency_seconds = 2e-6, .sm_bytes_per_second = 1e9, .device_bytes_per_second = 200e9};
    c.jitter_seconds = seed % 2 == 0 ? 0 : 50e-6;
    c.reorder_copies = seed % 4 == 3;
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
    const std::vector<kvstrata::page_id> ids = partly_consecutive(random, slab_pages, 12, layout.granule_pages());
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
                       std::span<const kvstrata::placed_extent>(extents), frames, wanted);
    }
  }

  void scramble(std::byte* at, std::size_t bytes)
  {
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<std::byte>(random() & 0xFFU);
  }
};

/// What a device was asked for: calls that move bytes, and the pieces they named.
struct asked_for
{
  explicit asked_for(const kvstrata::emulated_device& d)
  {
    const kvstrata::device_counters all = d.stats();
    calls = all.to_device.copies + all.from_device.copies + all.kernels;
    pieces = all.to_device.pieces + all.from_device.pieces + all.on_device.pieces;
  }
  std::uint64_t calls = 0;
  std::uint64_t pieces = 0;
};

/// An engine of any type, so that the long tests are compiled once and not once per engine.
class any_engine
{
 public:
  virtual ~any_engine() = default;
  virtual kvstrata::copied copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                                const kvstrata::fence& after) = 0;
  virtual void drain_sync() noexcept = 0;
};

using engine_maker = std::unique_ptr<any_engine> (*)(kvstrata::emulated_device&, kvstrata::copy_direction);

template <class Engine>
class some_engine final : public any_engine
{
 public:
  some_engine(kvstrata::emulated_device& d, kvstrata::copy_direction way) : engine_(d, way) {}
  kvstrata::copied copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                        const kvstrata::fence& after) override
  {
    return engine_.copy(list, layer, after);
  }
  void drain_sync() noexcept override { engine_.drain_sync(); }

 private:
  typename Engine::template on<kvstrata::emulated_device> engine_;
};

inline void check_copy_engine(engine_maker make)
{
  using namespace kvstrata;
  constexpr copy_direction ways[] = {copy_direction::to_device, copy_direction::from_device};
  const auto source = [](transfer_rig& r, copy_direction way) {
    const bool up = way == copy_direction::to_device;
    return std::tuple{(up ? r.arena : r.slab).data(), (up ? r.arena_before : r.slab_before).data(),
                      (up ? r.arena : r.slab).size()};
  };

  SECTION("one layer arrives where the list says, and nothing else changes")
  {
    for (std::uint32_t seed = 0; seed < 15; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        const layer_index layer = seed % transfer_rig::shape.layers;
        const copied out = engine->copy(r.list, layer, {});
        REQUIRE(r.d.stats().host_waits == 0);
        r.d.wait_sync(out.done);
        REQUIRE(r.is_done(way, layer, layer + 1));
      }
    }
  }

  SECTION("calls and pieces are what the device was asked for")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        const copied out = engine->copy(r.list, 0, {});
        const asked_for all(r.d);
        REQUIRE(out.calls == all.calls);
        REQUIRE(out.pieces == all.pieces);
        REQUIRE((out.calls >= 1 && out.calls <= out.pieces));
        REQUIRE(out.pieces <= 2 * r.pages());  // staging moves everything twice
      }
    }
  }

  SECTION("layers arrive one after the other; their events ascend on one stream")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        std::vector<event> done;
        for (layer_index layer = 0; layer < r.list.layers; ++layer)
          done.push_back(engine->copy(r.list, layer, {}).done);
        for (layer_index layer = 0; layer < r.list.layers; ++layer) {
          REQUIRE(done[layer].stream == done[0].stream);
          if (layer != 0) REQUIRE(done[layer].sequence > done[layer - 1].sequence);
          r.d.wait_sync(done[layer]);
          REQUIRE(r.arrived(way, layer + 1));
        }
        REQUIRE(r.is_done(way, 0, r.list.layers));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("it starts after `after`, and so does what is queued later without being told again")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        const auto [at, shadow, bytes] = source(r, way);
        const stream_id other = r.d.create_stream("other");
        r.d.launch(other, {.label = "something else", .seconds = 5e-3}, [] {});
        fence after(r.d.record(other));
        after.add(r.write_late(at, shadow, bytes));
        static_cast<void>(engine->copy(r.list, 0, after));
        const copied second = engine->copy(r.list, 1, {});
        r.d.wait_sync(second.done);
        REQUIRE(r.d.now() >= 5e-3);
        REQUIRE(r.is_done(way, 0, 2));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("when it is done, both ends may be used for something else")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        const copied out = engine->copy(r.list, 1, {});
        r.d.wait(r.compute, out.done);
        const auto [at, shadow, bytes] = source(r, way);
        const std::vector<std::byte> before(shadow, shadow + bytes);
        std::vector<std::byte> later(bytes);
        const event over = r.write_late(at, later.data(), bytes, 0);
        r.d.wait_sync(over);
        REQUIRE(std::memcmp(at, later.data(), bytes) == 0);
        std::memcpy(at, before.data(), bytes);
        REQUIRE(r.is_done(way, 1, 2));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("transfer upon transfer, while nobody waits: whatever it keeps between is ready when it is used again")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        const auto [at, shadow, bytes] = source(r, way);
        const fence nothing;
        event last;
        for (int round = 0; round < 4; ++round) {
          r.d.wait(r.compute, last);  // what was read may be written again
          const fence after(r.write_late(at, shadow, bytes, 1e-5));
          for (layer_index layer = 0; layer < r.list.layers; ++layer) {
            last = engine->copy(r.list, layer, layer == 0 ? after : nothing).done;
          }
        }
        REQUIRE(r.d.stats().host_waits == 0);
        r.d.wait_sync(last);
        REQUIRE(r.is_done(way, 0, r.list.layers));
        REQUIRE(r.d.violations().empty());
      }
    }
  }

  SECTION("an empty list queues nothing, whatever it is to wait for")
  {
    for (const copy_direction way : ways) {
      transfer_rig r(0);
      const auto engine = make(r.d, way);
      r.list.runs.clear();
      const event late = r.write_late(r.slab.data(), r.slab_before.data(), 64, 1);
      const asked_for before(r.d);
      const copied out = engine->copy(r.list, 0, late);
      REQUIRE((out.calls == 0 && out.pieces == 0 && out.done == event{}));
      REQUIRE(asked_for(r.d).calls == before.calls);
    }
  }

  SECTION("drain_sync blocks until all is done, and returns where the device has failed")
  {
    for (std::uint32_t seed = 0; seed < 5; ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto engine = make(r.d, way);
        engine->drain_sync();
        for (layer_index layer = 0; layer < r.list.layers; ++layer) static_cast<void>(engine->copy(r.list, layer, {}));
        engine->drain_sync();
        REQUIRE(r.is_done(way, 0, r.list.layers));
        r.d.fail_next_copy();
        const copied lost = engine->copy(r.list, 0, {});
        engine->drain_sync();
        REQUIRE_THROWS_AS(r.d.wait_sync(lost.done), device_error);
      }
    }
  }
}

template <class Engine>
  requires kvstrata::copy_engine<Engine, kvstrata::emulated_device>
void copy_engine_conformance()
{
  check_copy_engine([](kvstrata::emulated_device& d, kvstrata::copy_direction way) -> std::unique_ptr<any_engine> {
    return std::make_unique<some_engine<Engine>>(d, way);
  });
}

/// The rear of the rig's slab as an onload window: a list that lands there, and the promotion from there to pages in
/// front of it, some of them side by side.
class promotion_rig
{
 public:
  static constexpr kvstrata::page_count window = 40;  ///< its pages are [window, slab_pages)

  explicit promotion_rig(const transfer_rig& r) : to_window(r.list)
  {
    list.device_base = r.slab.data();
    list.piece_bytes = r.list.piece_bytes;
    list.layers = r.list.layers;
    list.place = r.list.runs.front().device_place;
    to_window.runs.clear();
    kvstrata::page_count landed = 0;
    for (kvstrata::copy_run run : r.list.runs) {
      run.pages = (std::min)(run.pages, transfer_rig::slab_pages - window - landed);
      if (run.pages == 0) break;
      run.device_offset = list.place.offset(0, window + landed);
      to_window.runs.push_back(run);
      landed += run.pages;
    }
    list.runs.push_back({.from = window, .to = 0, .pages = (std::min)(landed, 10U)});
    for (kvstrata::page_count i = 10; i < landed; ++i)
      list.runs.push_back({.from = window + i, .to = 2 * i, .pages = 1});
  }

  /// Has the slab, byte for byte, what landing and promoting make of slab_before in the first `layers` layers? The
  /// others may be in between.
  [[nodiscard]] bool is_done(const transfer_rig& r, kvstrata::layer_index layers) const
  {
    bool all = true;
    for (kvstrata::layer_index layer = 0; layer < layers; ++layer) {
      std::vector<std::byte> wanted(r.slab_before.begin() + begin_of(r, layer),
                                    r.slab_before.begin() + begin_of(r, layer + 1));
      const auto page = [&](std::uint64_t id) { return wanted.data() + id * list.piece_bytes; };
      kvstrata::page_count next = window;
      for (const kvstrata::copy_run& run : to_window.runs) {
        for (kvstrata::page_count i = 0; i < run.pages; ++i) {
          const std::byte* const below = &r.arena_before[run.lower_offset + run.lower_place.offset(layer, i)];
          std::memcpy(page(next++), below, list.piece_bytes);
        }
      }
      for (const kvstrata::promotion_run& run : list.runs) {
        std::memcpy(page(run.to), page(run.from), run.pages * list.piece_bytes);
      }
      all = all && std::memcmp(r.slab.data() + begin_of(r, layer), wanted.data(), wanted.size()) == 0;
    }
    return all;
  }

  kvstrata::copy_list to_window;
  kvstrata::promotion_list list;

 private:
  static std::ptrdiff_t begin_of(const transfer_rig& r, kvstrata::layer_index layer)
  {
    return static_cast<std::ptrdiff_t>(layer * r.slab_layer_bytes());
  }
};

/// As any_engine. `promote` is called only where the transfer lands in a window.
class any_channel
{
 public:
  virtual ~any_channel() = default;
  virtual kvstrata::ticket onload(const kvstrata::copy_list& list, const kvstrata::fence& after) = 0;
  virtual kvstrata::ticket offload(const kvstrata::copy_list& list, std::span<const kvstrata::event> ready,
                                   const kvstrata::fence& after) = 0;
  virtual kvstrata::ticket promote(const kvstrata::promotion_list& list, const kvstrata::ticket& landed,
                                   const kvstrata::fence& after) = 0;
};

using channel_maker = std::unique_ptr<any_channel> (*)(kvstrata::emulated_device&);

template <class Transfer>
class some_channel final : public any_channel
{
 public:
  explicit some_channel(kvstrata::emulated_device& d) : channel_(d) {}
  kvstrata::ticket onload(const kvstrata::copy_list& list, const kvstrata::fence& after) override
  {
    return channel_.onload(list, after);
  }
  kvstrata::ticket offload(const kvstrata::copy_list& list, std::span<const kvstrata::event> ready,
                           const kvstrata::fence& after) override
  {
    return channel_.offload(list, ready, after);
  }
  kvstrata::ticket promote([[maybe_unused]] const kvstrata::promotion_list& list,
                           [[maybe_unused]] const kvstrata::ticket& landed,
                           [[maybe_unused]] const kvstrata::fence& after) override
  {
    if constexpr (Transfer::lands_in_window) return channel_.promote(list, landed, after);
    else return {};
  }

 private:
  typename Transfer::template on<kvstrata::emulated_device> channel_;
};

inline void check_transfer(channel_maker make, bool lands_in_window)
{
  using namespace kvstrata;
  constexpr copy_direction up = copy_direction::to_device;
  constexpr copy_direction down = copy_direction::from_device;

  SECTION("bytes arrive where the list says, and nowhere else")
  {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      transfer_rig r(seed);
      const auto channel = make(r.d);
      const ticket came = channel->onload(r.list, {});
      r.d.wait_sync(came.last());
      REQUIRE(r.is_done(up, 0, r.list.layers));
      r.remember();
      std::memset(r.arena.data(), 0x77, r.arena.size());
      r.arena_before.assign(r.arena.size(), std::byte{0x77});
      const ticket went = channel->offload(r.list, {}, came.last());
      r.d.wait_sync(went.last());
      REQUIRE(r.is_done(down, 0, r.list.layers));
      REQUIRE(r.d.violations().empty());
    }
  }

  SECTION("a ticket has an event a layer, ascending on one stream, and the figures")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      transfer_rig r(seed);
      const auto channel = make(r.d);
      const ticket tickets[] = {channel->onload(r.list, {}), channel->offload(r.list, {}, {})};
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
        REQUIRE((t.copies >= 1 && t.copies <= t.pieces));
        REQUIRE(t.pieces <= 2 * r.pages() * r.list.layers);
      }
      const device_counters all = r.d.stats();
      REQUIRE((all.to_device.bytes == tickets[0].bytes && all.from_device.bytes == tickets[1].bytes));
      REQUIRE(asked_for(r.d).calls == tickets[0].copies + tickets[1].copies);
      REQUIRE(asked_for(r.d).pieces == tickets[0].pieces + tickets[1].pieces);
      r.d.wait_sync(tickets[1].last());
    }
  }

  SECTION("a layer has arrived when its event has come to pass")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      for (const copy_direction way : {up, down}) {
        transfer_rig r(seed);
        const auto channel = make(r.d);
        const ticket t = way == up ? channel->onload(r.list, {}) : channel->offload(r.list, {}, {});
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
        const auto channel = make(r.d);
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
        const ticket t = way == up ? channel->onload(r.list, after) : channel->offload(r.list, {}, after);
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
      const auto channel = make(r.d);
      std::vector<event> ready;
      for (layer_index layer = 0; layer < r.list.layers; ++layer) {
        const std::size_t begin = layer * r.slab_layer_bytes();
        ready.push_back(r.write_late(r.slab.data() + begin, r.slab_before.data() + begin, r.slab_layer_bytes(), 1e-3));
      }
      const ticket t = channel->offload(r.list, ready, {});
      r.d.wait_sync(t.last());
      REQUIRE(r.is_done(down, 0, r.list.layers));
      REQUIRE(r.d.violations().empty());
    }
  }

  SECTION("`after` holds beside `ready`")
  {
    transfer_rig r(1);
    const auto channel = make(r.d);
    const stream_id other = r.d.create_stream("other");
    bool undisturbed = false;
    const emulated_device::memory_range read[] = {{r.arena.data(), r.arena.size()}};
    r.d.launch(other, {.label = "read", .seconds = 10e-3, .reads = read},
               [&] { undisturbed = std::memcmp(r.arena.data(), r.arena_before.data(), r.arena.size()) == 0; });
    const std::vector<event> ready(r.list.layers,
                                   r.write_late(r.slab.data(), r.slab_before.data(), r.slab.size(), 1e-3));
    const ticket t = channel->offload(r.list, ready, r.d.record(other));
    r.d.wait_sync(t.last());
    REQUIRE(undisturbed);
    REQUIRE(r.is_done(down, 0, r.list.layers));
    REQUIRE(r.d.violations().empty());
  }

  SECTION("an empty list gives an empty ticket and queues nothing, whatever it is to wait for")
  {
    transfer_rig r(2);
    const auto channel = make(r.d);
    r.list.runs.clear();
    const event late = r.write_late(r.slab.data(), r.slab_before.data(), 64, 1);
    const std::vector<event> ready(r.list.layers, late);
    const std::uint64_t launches = r.d.stats().launches();
    for (const ticket& t : {channel->onload(r.list, late), channel->offload(r.list, ready, late)}) {
      REQUIRE(t.empty());
      REQUIRE(t.bytes == 0);
      REQUIRE((t.copies == 0 && t.pieces == 0));
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
    const auto channel = make(r.d);
    std::vector<std::byte> expected = r.slab_before;
    const ticket first = channel->offload(r.list, {}, {});  // the list's pages down
    const event overwritten = [&] {                         // the slab is used for something else
      r.d.wait(r.compute, first.last());
      return r.write_late(r.slab.data(), r.slab_before.data(), r.slab.size());
    }();
    fence after(overwritten);
    after.add(first.last());
    const ticket second = channel->onload(r.list, after);  // and they come back
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

  SECTION("when it throws, nothing of it is under way any more")
  {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      for (const copy_direction way : {up, down}) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto channel = make(r.d);
        r.list.runs.back().device_place.layer_stride = r.slab.size();  // layer 1 lies outside the slab
        REQUIRE_THROWS_AS(way == up ? channel->onload(r.list, {}) : channel->offload(r.list, {}, {}), usage_error);
        r.remember();
        r.d.advance_host(1);
        REQUIRE(r.is_done(way, 0, 0));  // nothing has moved since
      }
    }
  }

  if (lands_in_window) {
    SECTION("a promotion brings to the pages what has landed, and changes nothing else")
    {
      for (std::uint32_t seed = 0; seed < 10; ++seed) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto channel = make(r.d);
        promotion_rig p(r);
        const ticket landed = channel->onload(p.to_window, {});
        const device_counters::traffic before = r.d.stats().on_device;
        const ticket promoted = channel->promote(p.list, landed, {});
        const device_counters::traffic moved = r.d.stats().on_device;
        REQUIRE(promoted.layers.size() == p.list.layers);
        for (layer_index layer = 0; layer < p.list.layers; ++layer) {
          REQUIRE(promoted.layer(layer).stream == promoted.layer(0).stream);
          REQUIRE(promoted.layer(layer).stream != landed.layer(0).stream);
          if (layer != 0) REQUIRE(promoted.layer(layer).sequence > promoted.layer(layer - 1).sequence);
          r.d.wait_sync(promoted.layer(layer));
          REQUIRE(p.is_done(r, layer + 1));
        }
        REQUIRE(promoted.bytes == p.list.bytes());
        REQUIRE(moved.bytes - before.bytes == p.list.bytes());
        REQUIRE(moved.pieces - before.pieces == promoted.pieces);
        REQUIRE(r.d.violations().empty());
      }
    }

    SECTION("a promotion waits for `after`, and the next transfer may wait for its event")
    {
      for (std::uint32_t seed = 0; seed < 10; ++seed) {
        CAPTURE(seed);
        transfer_rig r(seed);
        const auto channel = make(r.d);
        promotion_rig p(r);
        // The window is free; the pages that it is promoted to are still in use, layer after layer.
        event used;
        for (layer_index layer = 0; layer < p.list.layers; ++layer) {
          const std::size_t begin = layer * r.slab_layer_bytes();
          used = r.write_late(r.slab.data() + begin, r.slab_before.data() + begin,
                              promotion_rig::window * p.list.piece_bytes);
        }
        const ticket landed = channel->onload(p.to_window, {});
        r.d.wait_sync(landed.last());
        REQUIRE_FALSE(r.d.query(used));
        const ticket promoted = channel->promote(p.list, landed, used);
        // Whoever has the event of the promotion may read the pages and fill the window anew.
        const ticket again = channel->onload(p.to_window, promoted.last());
        r.d.wait_sync(again.last());
        REQUIRE(p.is_done(r, p.list.layers));
        REQUIRE(r.d.violations().empty());
      }
    }

    SECTION("an empty promotion is an empty ticket")
    {
      transfer_rig r(0);
      const auto channel = make(r.d);
      const ticket t = channel->promote({}, {}, {});
      REQUIRE((t.empty() && t.copies == 0 && t.pieces == 0));
      REQUIRE(asked_for(r.d).calls == 0);
    }
  }
}

template <class Transfer>
  requires kvstrata::transfer_policy<Transfer, kvstrata::emulated_device>
void transfer_conformance()
{
  check_transfer(
      [](kvstrata::emulated_device& d) -> std::unique_ptr<any_channel> {
        return std::make_unique<some_channel<Transfer>>(d);
      },
      Transfer::lands_in_window);
}

/// A write policy is arithmetic: never past what is committed, and never taking back what it asked for before.
template <kvstrata::write_policy Writes>
void write_policy_conformance()
{
  using kvstrata::token_count;
  for (const token_count page : {1U, 4U, 32U}) {
    for (const token_count chunk : {page, 3 * page, 32 * page}) {
      token_count before = 0;
      std::uint64_t uses = 1;
      for (token_count tokens = 0; tokens < 5000; tokens += 1 + tokens / 97) {
        CAPTURE(tokens, page, chunk, uses);
        const kvstrata::write_facts facts{tokens, page, chunk, uses};
        const token_count end = Writes::flushed_end(facts);
        REQUIRE(end <= tokens);
        REQUIRE(end >= before);
        REQUIRE(Writes::flushed_end(facts) == end);
        REQUIRE((!Writes::writes_back(facts) || Writes::writes_back({tokens, page, chunk, uses + 1})));
        before = end;
        uses += tokens % 3 == 0 ? 1 : 0;
      }
    }
  }
}

}  // namespace kvstrata_test
