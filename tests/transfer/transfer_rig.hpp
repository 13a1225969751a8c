// What the suites of this room work on: a slab and a lower tier full of random bytes on a fresh device of any kind, a
// random copy list between them, and what both must hold after it.
#pragma once

#include "layout/layout_conformance.hpp"
#include "support/catch.hpp"
#include "support/device_bed.hpp"

#include <kvstrata/device/counters.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Calls that move bytes, and the pieces they named.
[[nodiscard]] inline std::uint64_t calls(const kvstrata::device_counters& all)
{
  return all.to_device.copies + all.from_device.copies + all.kernels;
}
[[nodiscard]] inline std::uint64_t pieces(const kvstrata::device_counters& all)
{
  return all.to_device.pieces + all.from_device.pieces + all.on_device.pieces;
}

/// The device that a rig works on. The emulated one runs in virtual time, with delays that other seeds draw otherwise,
/// and its ordering checker watches.
template <kvstrata::device Device>
[[nodiscard]] Device transfer_device(std::uint32_t seed)
{
  if constexpr (std::same_as<Device, kvstrata::emulated_device>) {
    kvstrata::emulated_device_config c;
    c.time = kvstrata::time_mode::virtual_time;
    c.seed = seed;
    c.to_device = {20e9, 1e-6};
    c.from_device = {20e9, 1e-6};
    c.copy_kernels = {.latency_seconds = 2e-6, .sm_bytes_per_second = 1e9, .device_bytes_per_second = 200e9};
    c.jitter_seconds = seed % 2 == 0 ? 0 : 50e-6;
    c.reorder_copies = seed % 4 == 3;
    c.check_ordering = true;
    return Device(c);
  } else {
    return Device();
  }
}

template <kvstrata::device Device>
class transfer_rig
{
 public:
  static constexpr kvstrata::geometry shape{
      .layers = 5, .kv_heads = 2, .head_dim = 8, .element = kvstrata::element_type::bf16};
  static constexpr kvstrata::page_count slab_pages = 60;
  static constexpr kvstrata::page_count frames = 160;

  /// How many seeds to try where virtual time would take so many: in real time a seed draws a list, but no delays.
  [[nodiscard]] static constexpr std::uint32_t seeds(std::uint32_t many)
  {
    return device_bed<Device>::is_virtual ? many : (std::min)(many, 5U);
  }

  explicit transfer_rig(std::uint32_t seed) : d(transfer_device<Device>(seed)), bed(d), random(seed)
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
    slab_before = scrambled(slab.size());
    arena_before = scrambled(arena.size());
    bed.write(slab.data(), slab_before.data(), slab.size());
    std::memcpy(arena.data(), arena_before.data(), arena.size());
    if constexpr (counts_calls<Device>) counted_ = d.stats();
  }

  /// Takes what both memories hold now as the state before the transfer.
  void remember()
  {
    const std::byte* const on_device = bed.look(slab.data(), slab.size());
    slab_before.assign(on_device, on_device + slab.size());
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
  [[nodiscard]] bool arrived(kvstrata::copy_direction direction, kvstrata::layer_index layers)
  {
    const bool up = direction == kvstrata::copy_direction::to_device;
    const std::byte* const now = up ? look_at_layers(layers) : arena.data();
    bool all = true;
    for (kvstrata::layer_index layer = 0; layer < layers; ++layer) {
      each_piece(layer, [&](std::size_t on_device, std::size_t below) {
        const bool same = up ? std::memcmp(now + on_device, &arena_before[below], list.piece_bytes) == 0
                             : std::memcmp(now + below, &slab_before[on_device], list.piece_bytes) == 0;
        all = all && same;
      });
    }
    return all;
  }

  /// Do both memories hold, byte for byte, what the list makes of them in `direction` and layers [begin, end)?
  [[nodiscard]] bool is_done(kvstrata::copy_direction direction, kvstrata::layer_index begin, kvstrata::layer_index end)
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
    return std::memcmp(arena.data(), arena_after.data(), arena.size()) == 0 &&
           std::memcmp(bed.look(slab.data(), slab.size()), slab_after.data(), slab.size()) == 0;
  }

  /// One of the two memories, and its shadow.
  struct side
  {
    memory_kind kind = memory_kind::device;
    std::byte* at = nullptr;
    std::byte* before = nullptr;
    std::size_t bytes = 0;
  };
  [[nodiscard]] side slab_side() { return {memory_kind::device, slab.data(), slab_before.data(), slab.size()}; }
  [[nodiscard]] side arena_side() { return {memory_kind::pinned, arena.data(), arena_before.data(), arena.size()}; }
  [[nodiscard]] side source(kvstrata::copy_direction way)
  {
    return way == kvstrata::copy_direction::to_device ? arena_side() : slab_side();
  }
  [[nodiscard]] side target(kvstrata::copy_direction way)
  {
    return way == kvstrata::copy_direction::to_device ? slab_side() : arena_side();
  }
  /// The first pages of one layer of the slab.
  [[nodiscard]] side slab_layer(kvstrata::layer_index layer, kvstrata::page_count pages = slab_pages)
  {
    const std::size_t from = layer * slab_layer_bytes();
    return {memory_kind::device, slab.data() + from, slab_before.data() + from, pages * list.piece_bytes};
  }

  /// What a side holds now.
  [[nodiscard]] const std::byte* look(const side& s)
  {
    return s.kind == memory_kind::device ? bed.look(s.at, s.bytes) : s.at;
  }

  /// What the slab holds now in its first layers; the others may still be written.
  [[nodiscard]] const std::byte* look_at_layers(kvstrata::layer_index layers)
  {
    return bed.look(slab.data(), layers * slab_layer_bytes());
  }

  /// Queues work that scrambles a side, long after now, and puts what it writes into the shadow.
  kvstrata::event write_late(const side& s, double seconds = 1e-3)
  {
    std::vector<std::byte> fresh = scrambled(s.bytes);
    std::memcpy(s.before, fresh.data(), s.bytes);
    bed.write_late(compute, s.kind, s.at, std::move(fresh), seconds);
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

  /// What the device was asked for since the rig stands.
  [[nodiscard]] kvstrata::device_counters asked_for() const
    requires counts_calls<Device>
  {
    kvstrata::device_counters now = d.stats();
    for (const kvstrata::copy_route route :
         {kvstrata::copy_route::to_device, kvstrata::copy_route::from_device, kvstrata::copy_route::on_device}) {
      kvstrata::device_counters before = counted_;
      now.by(route).copies -= before.by(route).copies;
      now.by(route).bytes -= before.by(route).bytes;
      now.by(route).pieces -= before.by(route).pieces;
    }
    now.kernels -= counted_.kernels;
    now.fills -= counted_.fills;
    now.host_waits -= counted_.host_waits;
    return now;
  }
  /// Has the host stood still since? A device that does not tell is believed.
  [[nodiscard]] bool host_has_waited() const
  {
    if constexpr (counts_calls<Device>) return asked_for().host_waits != 0;
    else return false;
  }

  Device d;

 private:
  std::vector<typename Device::memory> memory_;  // goes when the bed's work is over

 public:
  device_bed<Device> bed;
  random_bits random;
  std::span<std::byte> slab, arena;
  std::vector<std::byte> slab_before, arena_before;
  kvstrata::copy_list list;
  kvstrata::stream_id compute{};

 private:
  /// Two users' histories, part of each to be moved.
  template <class Layout>
  void build(const Layout& layout)
  {
    const std::size_t page = kvstrata::page_bytes(shape, layout.page_tokens);
    memory_.push_back(d.allocate_device(slab_pages * page, "slab"));
    memory_.push_back(d.allocate_pinned(frames * page, "arena"));
    slab = {memory_[0].data(), memory_[0].size()};
    arena = {memory_[1].data(), memory_[1].size()};
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

  [[nodiscard]] std::vector<std::byte> scrambled(std::size_t bytes)
  {
    std::vector<std::byte> out(bytes);
    for (std::byte& b : out) b = static_cast<std::byte>(random() & 0xFFU);
    return out;
  }

  kvstrata::device_counters counted_;
};

}  // namespace kvstrata_test
