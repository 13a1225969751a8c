// What the suites of this room work on: a slab and one or two memories below it, full of random bytes, on a fresh device
// of any kind, random copy lists between them, and what all must hold after these.
#pragma once

#include "layout/layout_conformance.hpp"
#include "support/catch.hpp"
#include "support/device_bed.hpp"
#include "support/effort.hpp"

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
  return all.to_device.copies + all.from_device.copies + all.on_host.copies + all.kernels;
}
[[nodiscard]] inline std::uint64_t pieces(const kvstrata::device_counters& all)
{
  return all.to_device.pieces + all.from_device.pieces + all.on_device.pieces + all.on_host.pieces;
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
    c.on_host = {10e9, 1e-6};
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
    return (std::min)(many, device_bed<Device>::is_virtual ? static_cast<std::uint32_t>(5 * effort) : 5U);
  }

  /// `two_memories`: another one below the arena, and a list from the arena down to it (copy_direction::on_host).
  explicit transfer_rig(std::uint32_t seed, bool two_memories = false)
      : d(transfer_device<Device>(seed)), bed(d), random(seed), two_memories_(two_memories)
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
    below_before = scrambled(below.size());
    bed.write(slab.data(), slab_before.data(), slab.size());
    std::memcpy(arena.data(), arena_before.data(), arena.size());
    if (two_memories) std::memcpy(below.data(), below_before.data(), below.size());
    if constexpr (counts_calls<Device>) counted_ = d.stats();
  }

  /// Takes what all memories hold now as the state before the transfer.
  void remember()
  {
    const std::byte* const on_device = bed.look(slab.data(), slab.size());
    slab_before.assign(on_device, on_device + slab.size());
    arena_before.assign(arena.begin(), arena.end());
    below_before.assign(below.begin(), below.end());
  }

  /// The list that goes this way.
  [[nodiscard]] kvstrata::copy_list& list(kvstrata::copy_direction way)
  {
    return way == kvstrata::copy_direction::to_device     ? up
           : way == kvstrata::copy_direction::from_device ? down
                                                          : across;
  }

  /// Calls piece(source byte, target byte) for every page of the list in one layer.
  template <class Piece>
  void each_piece(kvstrata::copy_direction way, kvstrata::layer_index layer, Piece&& piece)
  {
    const std::byte* const from = source(way).at;
    const std::byte* const to = target(way).at;
    for (const kvstrata::copy_run& run : list(way).runs) {
      for (kvstrata::page_count page = 0; page < run.pages; ++page) {
        piece(static_cast<std::size_t>(run.from.page(layer, page) - from),
              static_cast<std::size_t>(run.to.page(layer, page) - to));
      }
    }
  }

  /// Have the first `layers` layers arrived?
  [[nodiscard]] bool arrived(kvstrata::copy_direction way, kvstrata::layer_index layers)
  {
    const side from = source(way);
    const side to = target(way);
    const std::byte* const now = to.kind == memory_kind::device ? look_at_layers(layers) : to.at;
    bool all = true;
    for (kvstrata::layer_index layer = 0; layer < layers; ++layer) {
      each_piece(way, layer, [&](std::size_t source, std::size_t target) {
        all = all && std::memcmp(now + target, from.before + source, piece_bytes()) == 0;
      });
    }
    return all;
  }

  /// Do all memories hold, byte for byte, what the list of this way makes of them in layers [begin, end)?
  [[nodiscard]] bool is_done(kvstrata::copy_direction way, kvstrata::layer_index begin, kvstrata::layer_index end)
  {
    const side from = source(way);
    const side to = target(way);
    std::vector<std::byte> after(to.before, to.before + to.bytes);
    for (kvstrata::layer_index layer = begin; layer < end; ++layer) {
      each_piece(way, layer, [&](std::size_t source, std::size_t target) {
        std::memcpy(&after[target], from.before + source, piece_bytes());
      });
    }
    bool all = true;
    for (const side& s : {slab_side(), arena_side(), below_side()}) {
      if (s.bytes == 0) continue;
      all = all && std::memcmp(look(s), s.at == to.at ? after.data() : s.before, s.bytes) == 0;
    }
    return all;
  }

  /// One of the memories, and its shadow.
  struct side
  {
    memory_kind kind = memory_kind::device;
    std::byte* at = nullptr;
    std::byte* before = nullptr;
    std::size_t bytes = 0;
  };
  [[nodiscard]] side slab_side() { return {memory_kind::device, slab.data(), slab_before.data(), slab.size()}; }
  [[nodiscard]] side arena_side() { return {memory_kind::pinned, arena.data(), arena_before.data(), arena.size()}; }
  [[nodiscard]] side below_side() { return {memory_kind::pinned, below.data(), below_before.data(), below.size()}; }
  [[nodiscard]] side source(kvstrata::copy_direction way)
  {
    return way == kvstrata::copy_direction::from_device ? slab_side() : arena_side();
  }
  [[nodiscard]] side target(kvstrata::copy_direction way)
  {
    return way == kvstrata::copy_direction::to_device     ? slab_side()
           : way == kvstrata::copy_direction::from_device ? arena_side()
                                                          : below_side();
  }
  /// The first pages of one layer of the slab.
  [[nodiscard]] side slab_layer(kvstrata::layer_index layer, kvstrata::page_count pages = slab_pages)
  {
    const std::size_t from = layer * slab_layer_bytes();
    return {memory_kind::device, slab.data() + from, slab_before.data() + from, pages * piece_bytes()};
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
  [[nodiscard]] std::size_t slab_layer_bytes() const { return slab_pages * piece_bytes(); }
  /// Of a page in one layer.
  [[nodiscard]] std::size_t piece_bytes() const { return up.piece_bytes; }

  /// Of every list.
  [[nodiscard]] std::uint64_t pages() const
  {
    std::uint64_t sum = 0;
    for (const kvstrata::copy_run& run : up.runs) sum += run.pages;
    return sum;
  }

  /// What the device was asked for since the rig stands.
  [[nodiscard]] kvstrata::device_counters asked_for() const
    requires counts_calls<Device>
  {
    kvstrata::device_counters now = d.stats();
    for (const kvstrata::copy_route route : {kvstrata::copy_route::to_device, kvstrata::copy_route::from_device,
                                             kvstrata::copy_route::on_device, kvstrata::copy_route::on_host}) {
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
  std::span<std::byte> slab, arena, below;
  std::vector<std::byte> slab_before, arena_before, below_before;
  kvstrata::copy_list up, down, across;  ///< of the same pages of two users
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
    if (two_memories_) {
      memory_.push_back(d.allocate_pinned(frames * page, "below"));
      below = {memory_[2].data(), memory_[2].size()};
    }
    for (kvstrata::copy_list* list : {&up, &down, &across}) {
      list->piece_bytes = kvstrata::page_layer_bytes(shape, layout.page_tokens);
      list->layers = shape.layers;
    }
    const slab_ends in_slab{slab.data(), layout.device_place(shape, slab_pages)};
    const lower_ends<Layout> in_arena{arena.data(), layout, shape, frames};
    const lower_ends<Layout> in_below{below.data(), layout, shape, frames};
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
      const std::vector<kvstrata::placed_extent> mine = slab_extents(pages);
      append_copy_runs(up.runs, extents, in_arena, mine, in_slab, wanted);
      append_copy_runs(down.runs, mine, in_slab, extents, in_arena, wanted);
      if (two_memories_) add_across(layout, user, extents, in_arena, in_below, wanted);
    }
  }

  /// Below the arena a user's extents lie otherwise; each user has half of the frames there.
  template <class Layout>
  void add_across(const Layout& layout, kvstrata::page_count user, std::span<const kvstrata::placed_extent> extents,
                  const lower_ends<Layout>& in_arena, const lower_ends<Layout>& in_below,
                  kvstrata::page_interval wanted)
  {
    std::vector<kvstrata::placed_extent> lower = grown_extents(random, layout, 0, 30);
    for (kvstrata::placed_extent& e : lower) e.frame += user * (frames / 2);
    REQUIRE(frames_of(lower) <= (user + 1) * (frames / 2));
    append_copy_runs(across.runs, extents, in_arena, std::span<const kvstrata::placed_extent>(lower), in_below, wanted);
  }

  [[nodiscard]] std::vector<std::byte> scrambled(std::size_t bytes)
  {
    std::vector<std::byte> out(bytes);
    for (std::byte& b : out) b = static_cast<std::byte>(random() & 0xFFU);
    return out;
  }

  bool two_memories_;
  kvstrata::device_counters counted_;
};

}  // namespace kvstrata_test
