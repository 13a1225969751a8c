// What every transfer policy must do, on any device: transfer_conformance.hpp says how to run it.
#pragma once

#include "transfer/any_channel.hpp"
#include "transfer/relocation_conformance.hpp"
#include "transfer/transfer_rig.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/ticket.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata_test {

template <class Device>
void check_transfer(channel_maker<Device> make, bool lands_in_window)
{
  using namespace kvstrata;
  using rig = transfer_rig<Device>;
  constexpr copy_direction up = copy_direction::to_device;
  constexpr copy_direction down = copy_direction::from_device;

  SECTION("bytes arrive where the list says, and nowhere else")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(12); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      const ticket came = channel->onload(r.up, {});
      r.d.wait_sync(came.last());
      REQUIRE(r.is_done(up, 0, rig::shape.layers));
      r.remember();
      std::memset(r.arena.data(), 0x77, r.arena.size());
      r.arena_before.assign(r.arena.size(), std::byte{0x77});
      const ticket went = channel->offload(r.down, {}, came.last());
      r.d.wait_sync(went.last());
      REQUIRE(r.is_done(down, 0, rig::shape.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("a ticket has an event a layer, ascending on one stream, and the figures")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(6); ++seed) {
      rig r(seed);
      const auto channel = make(r.d);
      const ticket tickets[] = {channel->onload(r.up, {}), channel->offload(r.down, {}, {})};
      for (const ticket& t : tickets) {
        REQUIRE_FALSE(t.empty());
        REQUIRE(t.layers.size() == rig::shape.layers);
        REQUIRE(t.last() == t.layers.back());
        for (layer_index layer = 1; layer < rig::shape.layers; ++layer) {
          REQUIRE(t.layer(layer) == t.layers[layer]);
          REQUIRE(t.layers[layer].stream == t.layers[0].stream);
          REQUIRE(t.layers[layer].sequence > t.layers[layer - 1].sequence);
        }
        REQUIRE(t.bytes == r.up.bytes());
        REQUIRE(t.bytes == r.pages() * r.piece_bytes() * rig::shape.layers);
        REQUIRE((t.copies >= 1 && t.copies <= t.pieces));
        REQUIRE(t.pieces <= 2 * r.pages() * rig::shape.layers);
      }
      if constexpr (counts_calls<Device>) {
        const device_counters all = r.asked_for();
        REQUIRE((all.to_device.bytes == tickets[0].bytes && all.from_device.bytes == tickets[1].bytes));
        REQUIRE(calls(all) == tickets[0].copies + tickets[1].copies);
        REQUIRE(pieces(all) == tickets[0].pieces + tickets[1].pieces);
      }
      r.d.wait_sync(tickets[1].last());
    }
  }

  SECTION("a layer has arrived when its event has come to pass")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(6); ++seed) {
      for (const copy_direction way : {up, down}) {
        rig r(seed);
        const auto channel = make(r.d);
        const ticket t = way == up ? channel->onload(r.up, {}) : channel->offload(r.down, {}, {});
        for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
          r.d.wait_sync(t.layer(layer));
          REQUIRE(r.arrived(way, layer + 1));
        }
        REQUIRE(r.is_done(way, 0, rig::shape.layers));
      }
    }
  }

  SECTION("nothing starts before `after`, be it of one stream or of several")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(12); ++seed) {
      for (const copy_direction way : {up, down}) {
        CAPTURE(seed);
        rig r(seed);
        const auto channel = make(r.d);
        const stream_id reader = r.d.create_stream("reader");
        // The source is still being written, and the destination still being read.
        const auto to = r.target(way);
        const std::vector<std::byte> before(to.before, to.before + to.bytes);
        fence after(r.write_late(r.source(way), 2e-3));
        const late_look seen = r.bed.look_late(reader, to.kind, to.at, to.bytes, 3e-3);
        const event read = r.d.record(reader);
        after.add(read);
        const ticket t = way == up ? channel->onload(r.up, after) : channel->offload(r.down, {}, after);
        r.d.wait_sync(t.last());
        REQUIRE(r.d.query(read));
        const bool undisturbed = seen() == before;
        REQUIRE(undisturbed);
        REQUIRE(r.is_done(way, 0, rig::shape.layers));
        REQUIRE(r.bed.orderly());
      }
    }
  }

  SECTION("an offload's layer starts after the layer is ready, one by one")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(12); ++seed) {
      CAPTURE(seed);
      rig r(seed);
      const auto channel = make(r.d);
      std::vector<event> ready;
      for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
        ready.push_back(r.write_late(r.slab_layer(layer)));
      }
      const ticket t = channel->offload(r.down, ready, {});
      r.d.wait_sync(t.last());
      REQUIRE(r.is_done(down, 0, rig::shape.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("`after` holds beside `ready`")
  {
    rig r(1);
    const auto channel = make(r.d);
    const stream_id other = r.d.create_stream("other");
    const late_look seen = r.bed.look_late(other, memory_kind::pinned, r.arena.data(), r.arena.size(), 10e-3);
    const std::vector<event> ready(rig::shape.layers, r.write_late(r.slab_side()));
    const ticket t = channel->offload(r.down, ready, r.d.record(other));
    r.d.wait_sync(t.last());
    const bool undisturbed = seen() == r.arena_before;
    REQUIRE(undisturbed);
    REQUIRE(r.is_done(down, 0, rig::shape.layers));
    REQUIRE(r.bed.orderly());
  }

  SECTION("an empty list gives an empty ticket and queues nothing, whatever it is to wait for")
  {
    rig r(2);
    const auto channel = make(r.d);
    r.up.runs.clear();
    r.down.runs.clear();
    const event late = r.write_late(r.slab_layer(0, 1), 1);
    const std::vector<event> ready(rig::shape.layers, late);
    std::uint64_t launches = 0;
    if constexpr (counts_calls<Device>) launches = r.asked_for().launches();
    for (const ticket& t : {channel->onload(r.up, late), channel->offload(r.down, ready, late)}) {
      REQUIRE(t.empty());
      REQUIRE(t.bytes == 0);
      REQUIRE((t.copies == 0 && t.pieces == 0));
      REQUIRE(t.last() == event{});
      REQUIRE(t.layer(3) == event{});
      REQUIRE(r.d.query(t.last()));
    }
    if constexpr (counts_calls<Device>) REQUIRE(r.asked_for().launches() == launches);
    REQUIRE_FALSE(r.host_has_waited());
  }

  SECTION("transfers that follow each other on the same bytes keep their order")
  {
    rig r(4);
    const auto channel = make(r.d);
    std::vector<std::byte> expected = r.slab_before;
    const ticket first = channel->offload(r.down, {}, {});  // the list's pages down
    const event overwritten = [&] {                         // the slab is used for something else
      r.d.wait(r.compute, first.last());
      return r.write_late(r.slab_side());
    }();
    fence after(overwritten);
    after.add(first.last());
    const ticket second = channel->onload(r.up, after);  // and they come back
    r.d.wait_sync(second.last());
    bool same = true;
    const std::byte* const now = r.look(r.slab_side());
    for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
      r.each_piece(up, layer, [&](std::size_t, std::size_t on_device) {
        same = same && std::memcmp(now + on_device, &expected[on_device], r.piece_bytes()) == 0;
      });
    }
    REQUIRE(same);
    REQUIRE(r.bed.orderly());
  }

  SECTION("when it throws, nothing of it is under way any more")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      for (const copy_direction way : {up, down}) {
        CAPTURE(seed);
        rig r(seed);
        const auto channel = make(r.d);
        copy_run& run = r.list(way).runs.back();
        (way == up ? run.to : run.from).where.layer_stride = r.slab.size();  // layer 1 lies outside the slab
        REQUIRE_THROWS_AS(way == up ? channel->onload(r.up, {}) : channel->offload(r.down, {}, {}), usage_error);
        r.remember();
        r.bed.pass_time();
        REQUIRE(r.is_done(way, 0, 0));  // nothing has moved since
      }
    }
  }

  if (lands_in_window) check_relocations<Device>(make);
}

template <class Transfer, class Device = kvstrata::emulated_device>
  requires kvstrata::transfer_policy<Transfer, Device>
void transfer_conformance()
{
  check_transfer<Device>(
      [](Device& d) -> std::unique_ptr<any_channel> { return std::make_unique<some_channel<Transfer, Device>>(d); },
      Transfer::lands_in_window);
}

}  // namespace kvstrata_test
