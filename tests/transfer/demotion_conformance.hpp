// What a demotion, from one memory down to another, must do on any device: transfer_conformance.hpp says how the rig works.
// Run it on a device of your own with demotion_conformance<my_device>().
#pragma once

#include "transfer/transfer_rig.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/demotion.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Waits for all of its tickets when it goes: what they copy from and to goes next.
template <class Device>
class some_demotion
{
 public:
  explicit some_demotion(Device& d) : device_(&d), copies_(d) {}
  some_demotion(const some_demotion&) = delete;
  some_demotion& operator=(const some_demotion&) = delete;
  ~some_demotion()
  {
    try {
      device_->wait_sync(last_);
    } catch (...) {  // a failed device runs nothing any more
    }
  }

  kvstrata::ticket demote(const kvstrata::copy_list& list, const kvstrata::fence& after)
  {
    kvstrata::ticket t = copies_.demote(list, after);
    if (!t.empty()) last_ = t.last();
    return t;
  }

 private:
  Device* device_;
  kvstrata::demotion<Device> copies_;
  kvstrata::event last_;
};

template <class Device = kvstrata::emulated_device>
void demotion_conformance()
{
  using namespace kvstrata;
  using rig = transfer_rig<Device>;
  constexpr copy_direction way = copy_direction::on_host;

  SECTION("bytes arrive where the list says, layer by layer, and nowhere else; the device's memory is not touched")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(15); ++seed) {
      CAPTURE(seed);
      rig r(seed, true);
      some_demotion<Device> down(r.d);
      const ticket t = down.demote(r.across, {});
      REQUIRE(t.layers.size() == rig::shape.layers);
      for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
        REQUIRE(t.layers[layer].stream == t.layers[0].stream);
        if (layer != 0) REQUIRE(t.layers[layer].sequence > t.layers[layer - 1].sequence);
        r.d.wait_sync(t.layer(layer));
        REQUIRE(r.arrived(way, layer + 1));
      }
      REQUIRE(r.is_done(way, 0, rig::shape.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("a ticket's figures are what the device was asked for: copies on the host, and no others")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed, true);
      some_demotion<Device> down(r.d);
      const ticket t = down.demote(r.across, {});
      REQUIRE(t.bytes == r.across.bytes());
      REQUIRE(t.bytes == r.pages() * r.piece_bytes() * rig::shape.layers);
      std::uint64_t copies = 0;  // one a run that is dense on both sides, else one a page
      for (const copy_run& run : r.across.runs) {
        const bool dense = run.from.where.page_stride == r.piece_bytes() && run.to.where.page_stride == r.piece_bytes();
        copies += dense ? 1 : run.pages;
      }
      REQUIRE((t.copies == copies * rig::shape.layers && t.pieces == t.copies));
      if constexpr (counts_calls<Device>) {
        const device_counters all = r.asked_for();
        REQUIRE(all.on_host == device_counters::traffic{t.copies, t.bytes, t.pieces});
        REQUIRE((all.to_device.copies == 0 && all.from_device.copies == 0 && all.kernels == 0));
      }
      if constexpr (device_bed<Device>::is_virtual) REQUIRE_FALSE(r.host_has_waited());
    }
  }

  SECTION("it starts after `after`, be it of one stream or of several")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(12); ++seed) {
      CAPTURE(seed);
      rig r(seed, true);
      some_demotion<Device> down(r.d);
      const stream_id reader = r.d.create_stream("reader");
      // The arena is still being written, and the memory below still being read.
      const auto to = r.target(way);
      const std::vector<std::byte> before(to.before, to.before + to.bytes);
      fence after(r.write_late(r.source(way), 2e-3));
      const late_look seen = r.bed.look_late(reader, to.kind, to.at, to.bytes, 3e-3);
      after.add(r.d.record(reader));
      const ticket t = down.demote(r.across, after);
      r.d.wait_sync(t.last());
      const bool undisturbed = seen() == before;
      REQUIRE(undisturbed);
      REQUIRE(r.is_done(way, 0, rig::shape.layers));
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("when it is done, both ends may be used for something else; what comes up again comes after it")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed, true);
      some_demotion<Device> down(r.d);
      const ticket first = down.demote(r.across, {});
      r.d.wait(r.compute, first.last());
      const std::vector<std::byte> moved(r.arena_before);
      const event scrambled = r.write_late(r.source(way), 1e-5);
      // The same bytes go up again: the list the other way round.
      copy_list up = r.across;
      for (copy_run& run : up.runs) std::swap(run.from, run.to);
      const ticket back = down.demote(up, scrambled);
      r.d.wait_sync(back.last());
      bool same = true;
      for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
        r.each_piece(way, layer, [&](std::size_t above, std::size_t) {
          same = same && std::memcmp(r.arena.data() + above, moved.data() + above, r.piece_bytes()) == 0;
        });
      }
      REQUIRE(same);
      REQUIRE(r.bed.orderly());
    }
  }

  SECTION("an empty list gives an empty ticket and queues nothing")
  {
    rig r(2, true);
    some_demotion<Device> down(r.d);
    r.across.runs.clear();
    const event late = r.write_late(r.arena_side(), 1);
    std::uint64_t launches = 0;
    if constexpr (counts_calls<Device>) launches = r.asked_for().launches();
    const ticket t = down.demote(r.across, late);
    REQUIRE((t.empty() && t.bytes == 0 && t.copies == 0 && t.last() == event{}));
    if constexpr (counts_calls<Device>) REQUIRE(r.asked_for().launches() == launches);
  }

  SECTION("when it throws, nothing of it is under way any more")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      CAPTURE(seed);
      rig r(seed, true);
      some_demotion<Device> down(r.d);
      copy_list wrong = r.across;
      REQUIRE(wrong.runs.size() > 1);
      wrong.runs.back().to.at =
          r.slab.data();  // which a copy on the host must not write; the others are queued by then
      REQUIRE_THROWS_AS(down.demote(wrong, {}), usage_error);
      r.remember();
      r.bed.pass_time();
      REQUIRE(r.is_done(way, 0, 0));  // nothing has moved since
    }
  }

  if constexpr (breaks_copies<Device>) {
    SECTION("a device that fails under it says so, and does not hang")
    {
      rig r(3, true);
      some_demotion<Device> down(r.d);
      r.d.fail_next_copy(2);
      ticket t;
      try {
        t = down.demote(r.across, {});
      } catch (const device_error&) {  // in real time it may show before the call is over
        REQUIRE_FALSE(device_bed<Device>::is_virtual);
        return;
      }
      REQUIRE_THROWS_AS(r.d.wait_sync(t.last()), device_error);
    }
  }
}

}  // namespace kvstrata_test
