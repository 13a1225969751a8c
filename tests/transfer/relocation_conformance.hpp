// What a transfer policy that lands in the onload window must do beside the rest: channel_conformance.hpp runs it.
#pragma once

#include "transfer/any_channel.hpp"
#include "transfer/transfer_rig.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kvstrata_test {

/// The rear of the rig's slab as an onload window: a list that lands there, and the relocation from there to pages in
/// front of it, some of them side by side.
template <class Device>
class relocation_rig
{
 public:
  static constexpr kvstrata::page_count window = 40;  ///< its pages are [window, slab_pages)

  explicit relocation_rig(const transfer_rig<Device>& r) : to_window(r.up), list(r.up), slab_(r.slab.data())
  {
    where_ = r.up.runs.front().to.where;
    to_window.runs.clear();
    list.runs.clear();
    kvstrata::page_count landed = 0;
    for (kvstrata::copy_run run : r.up.runs) {
      run.pages = (std::min)(run.pages, transfer_rig<Device>::slab_pages - window - landed);
      if (run.pages == 0) break;
      run.to = page(window + landed);
      to_window.runs.push_back(run);
      landed += run.pages;
    }
    move(window, 0, (std::min)(landed, 10U));
    for (kvstrata::page_count i = 10; i < landed; ++i) move(window + i, 2 * i, 1);
  }

  /// Has the slab, byte for byte, what landing and relocating make of slab_before in the first `layers` layers? The
  /// others may be in between.
  [[nodiscard]] bool is_done(transfer_rig<Device>& r, kvstrata::layer_index layers) const
  {
    const std::byte* const now = r.look_at_layers(layers);
    bool all = true;
    for (kvstrata::layer_index layer = 0; layer < layers; ++layer) {
      std::vector<std::byte> wanted(r.slab_before.begin() + begin_of(r, layer),
                                    r.slab_before.begin() + begin_of(r, layer + 1));
      const auto page = [&](std::uint64_t id) { return wanted.data() + id * list.piece_bytes; };
      kvstrata::page_count next = window;
      for (const kvstrata::copy_run& run : to_window.runs) {
        for (kvstrata::page_count i = 0; i < run.pages; ++i) {
          const std::ptrdiff_t below = run.from.page(layer, i) - r.arena.data();
          std::memcpy(page(next++), r.arena_before.data() + below, list.piece_bytes);
        }
      }
      for (const moved_pages& m : moves_) std::memcpy(page(m.to), page(m.from), m.pages * list.piece_bytes);
      all = all && std::memcmp(now + begin_of(r, layer), wanted.data(), wanted.size()) == 0;
    }
    return all;
  }

  kvstrata::copy_list to_window;
  kvstrata::copy_list list;

 private:
  struct moved_pages
  {
    kvstrata::page_count from = 0;
    kvstrata::page_count to = 0;
    kvstrata::page_count pages = 0;
  };

  [[nodiscard]] kvstrata::copy_end page(kvstrata::page_count id) const
  {
    return {slab_ + where_.offset(0, id), where_};
  }
  void move(kvstrata::page_count from, kvstrata::page_count to, kvstrata::page_count pages)
  {
    moves_.push_back({from, to, pages});
    list.runs.push_back({page(from), page(to), pages});
  }
  static std::ptrdiff_t begin_of(const transfer_rig<Device>& r, kvstrata::layer_index layer)
  {
    return static_cast<std::ptrdiff_t>(layer * r.slab_layer_bytes());
  }

  std::byte* slab_;
  kvstrata::placement where_;
  std::vector<moved_pages> moves_;
};

template <class Device>
void check_relocations(channel_maker<Device> make)
{
  using namespace kvstrata;
  using rig = transfer_rig<Device>;

  SECTION("a relocation brings to the pages what has landed, and changes nothing else")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      relocation_rig<Device> p(r);
      const ticket landed = channel->onload(p.to_window, {});
      device_counters::traffic before, moved;
      if constexpr (counts_calls<Device>) before = r.asked_for().on_device;
      const ticket relocated = channel->relocate(p.list, landed, {});
      if constexpr (counts_calls<Device>) moved = r.asked_for().on_device;
      REQUIRE(relocated.layers.size() == p.list.layers);
      for (layer_index layer = 0; layer < p.list.layers; ++layer) {
        REQUIRE(relocated.layer(layer).stream == relocated.layer(0).stream);
        REQUIRE(relocated.layer(layer).stream != landed.layer(0).stream);
        if (layer != 0) REQUIRE(relocated.layer(layer).sequence > relocated.layer(layer - 1).sequence);
        r.d.wait_sync(relocated.layer(layer));
        REQUIRE(p.is_done(r, layer + 1));
      }
      REQUIRE(relocated.bytes == p.list.bytes());
      if constexpr (counts_calls<Device>) {
        REQUIRE(moved.bytes - before.bytes == p.list.bytes());
        REQUIRE(moved.pieces - before.pieces == relocated.pieces);
      }
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("a relocation waits for `after`, and the next transfer may wait for its event")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      relocation_rig<Device> p(r);
      // The window is free; the pages that it is relocated to are still in use, layer after layer.
      event used;
      for (layer_index layer = 0; layer < p.list.layers; ++layer) {
        used = r.write_late(r.slab_layer(layer, relocation_rig<Device>::window));
      }
      const ticket landed = channel->onload(p.to_window, {});
      r.d.wait_sync(landed.last());
      if constexpr (device_bed<Device>::is_virtual) REQUIRE_FALSE(r.d.query(used));
      const ticket relocated = channel->relocate(p.list, landed, used);
      // Whoever has the event of the relocation may read the pages and fill the window anew.
      const ticket again = channel->onload(p.to_window, relocated.last());
      r.d.wait_sync(again.last());
      REQUIRE(p.is_done(r, p.list.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("an empty relocation is an empty ticket")
  {
    rig r(0);
    const auto channel = make(r.d);
    const ticket t = channel->relocate({}, {}, {});
    REQUIRE((t.empty() && t.copies == 0 && t.pieces == 0));
    if constexpr (counts_calls<Device>) REQUIRE(calls(r.asked_for()) == 0);
  }
}

}  // namespace kvstrata_test
