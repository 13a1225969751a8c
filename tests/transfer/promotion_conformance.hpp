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

/// The rear of the rig's slab as an onload window: a list that lands there, and the promotion from there to pages in
/// front of it, some of them side by side.
template <class Device>
class promotion_rig
{
 public:
  static constexpr kvstrata::page_count window = 40;  ///< its pages are [window, slab_pages)

  explicit promotion_rig(const transfer_rig<Device>& r) : to_window(r.list)
  {
    list.device_base = r.slab.data();
    list.piece_bytes = r.list.piece_bytes;
    list.layers = r.list.layers;
    list.place = r.list.runs.front().device_place;
    to_window.runs.clear();
    kvstrata::page_count landed = 0;
    for (kvstrata::copy_run run : r.list.runs) {
      run.pages = (std::min)(run.pages, transfer_rig<Device>::slab_pages - window - landed);
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
          const std::byte* const below = &r.arena_before[run.lower_offset + run.lower_place.offset(layer, i)];
          std::memcpy(page(next++), below, list.piece_bytes);
        }
      }
      for (const kvstrata::promotion_run& run : list.runs) {
        std::memcpy(page(run.to), page(run.from), run.pages * list.piece_bytes);
      }
      all = all && std::memcmp(now + begin_of(r, layer), wanted.data(), wanted.size()) == 0;
    }
    return all;
  }

  kvstrata::copy_list to_window;
  kvstrata::promotion_list list;

 private:
  static std::ptrdiff_t begin_of(const transfer_rig<Device>& r, kvstrata::layer_index layer)
  {
    return static_cast<std::ptrdiff_t>(layer * r.slab_layer_bytes());
  }
};

template <class Device>
void check_promotions(channel_maker<Device> make)
{
  using namespace kvstrata;
  using rig = transfer_rig<Device>;

  SECTION("a promotion brings to the pages what has landed, and changes nothing else")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      promotion_rig<Device> p(r);
      const ticket landed = channel->onload(p.to_window, {});
      device_counters::traffic before, moved;
      if constexpr (counts_calls<Device>) before = r.asked_for().on_device;
      const ticket promoted = channel->promote(p.list, landed, {});
      if constexpr (counts_calls<Device>) moved = r.asked_for().on_device;
      REQUIRE(promoted.layers.size() == p.list.layers);
      for (layer_index layer = 0; layer < p.list.layers; ++layer) {
        REQUIRE(promoted.layer(layer).stream == promoted.layer(0).stream);
        REQUIRE(promoted.layer(layer).stream != landed.layer(0).stream);
        if (layer != 0) REQUIRE(promoted.layer(layer).sequence > promoted.layer(layer - 1).sequence);
        r.d.wait_sync(promoted.layer(layer));
        REQUIRE(p.is_done(r, layer + 1));
      }
      REQUIRE(promoted.bytes == p.list.bytes());
      if constexpr (counts_calls<Device>) {
        REQUIRE(moved.bytes - before.bytes == p.list.bytes());
        REQUIRE(moved.pieces - before.pieces == promoted.pieces);
      }
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("a promotion waits for `after`, and the next transfer may wait for its event")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      promotion_rig<Device> p(r);
      // The window is free; the pages that it is promoted to are still in use, layer after layer.
      event used;
      for (layer_index layer = 0; layer < p.list.layers; ++layer) {
        used = r.write_late(r.slab_layer(layer, promotion_rig<Device>::window));
      }
      const ticket landed = channel->onload(p.to_window, {});
      r.d.wait_sync(landed.last());
      if constexpr (device_bed<Device>::is_virtual) REQUIRE_FALSE(r.d.query(used));
      const ticket promoted = channel->promote(p.list, landed, used);
      // Whoever has the event of the promotion may read the pages and fill the window anew.
      const ticket again = channel->onload(p.to_window, promoted.last());
      r.d.wait_sync(again.last());
      REQUIRE(p.is_done(r, p.list.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("an empty promotion is an empty ticket")
  {
    rig r(0);
    const auto channel = make(r.d);
    const ticket t = channel->promote({}, {}, {});
    REQUIRE((t.empty() && t.copies == 0 && t.pieces == 0));
    if constexpr (counts_calls<Device>) REQUIRE(calls(r.asked_for()) == 0);
  }
}

}  // namespace kvstrata_test
