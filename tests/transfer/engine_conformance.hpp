// What every copy engine must do, on any device: transfer_conformance.hpp says how to run it.
#pragma once

#include "transfer/transfer_rig.hpp"

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// An engine of any type, so that the long tests are compiled once and not once per engine.
class any_engine
{
 public:
  virtual ~any_engine() = default;
  virtual kvstrata::copied copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                                const kvstrata::fence& after) = 0;
  virtual void drain_sync() noexcept = 0;
};

template <class Device>
using engine_maker = std::unique_ptr<any_engine> (*)(Device&, kvstrata::copy_direction);

/// Drained when it goes: what it copies to and from goes next.
template <class Engine, class Device>
class some_engine final : public any_engine
{
 public:
  some_engine(Device& d, kvstrata::copy_direction way) : engine_(d, way) {}
  some_engine(const some_engine&) = delete;
  some_engine& operator=(const some_engine&) = delete;
  ~some_engine() override { engine_.drain_sync(); }
  kvstrata::copied copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                        const kvstrata::fence& after) override
  {
    return engine_.copy(list, layer, after);
  }
  void drain_sync() noexcept override { engine_.drain_sync(); }

 private:
  typename Engine::template on<Device> engine_;
};

template <class Device>
void check_copy_engine(engine_maker<Device> make)
{
  using namespace kvstrata;
  using rig = transfer_rig<Device>;
  constexpr copy_direction ways[] = {copy_direction::to_device, copy_direction::from_device};

  SECTION("one layer arrives where the list says, and nothing else changes")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(15); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        const layer_index layer = seed % rig::shape.layers;
        const copied out = engine->copy(r.list(way), layer, {});
        REQUIRE_FALSE(r.host_has_waited());
        r.d.wait_sync(out.done);
        REQUIRE(r.is_done(way, layer, layer + 1));
      }
    }
  }

  if constexpr (counts_calls<Device>) {
    SECTION("calls and pieces are what the device was asked for")
    {
      for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
        for (const copy_direction way : ways) {
          CAPTURE(seed);
          rig r(seed);
          const auto engine = make(r.d, way);
          const copied out = engine->copy(r.list(way), 0, {});
          REQUIRE(out.calls == calls(r.asked_for()));
          REQUIRE(out.pieces == pieces(r.asked_for()));
          REQUIRE((out.calls >= 1 && out.calls <= out.pieces));
          REQUIRE(out.pieces <= 2 * r.pages());  // staging moves everything twice
        }
      }
    }
  }

  SECTION("layers arrive one after the other; their events ascend on one stream")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        std::vector<event> done;
        for (layer_index layer = 0; layer < rig::shape.layers; ++layer)
          done.push_back(engine->copy(r.list(way), layer, {}).done);
        for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
          REQUIRE(done[layer].stream == done[0].stream);
          if (layer != 0) REQUIRE(done[layer].sequence > done[layer - 1].sequence);
          r.d.wait_sync(done[layer]);
          REQUIRE(r.arrived(way, layer + 1));
        }
        REQUIRE(r.is_done(way, 0, rig::shape.layers));
        REQUIRE(r.bed.orderly());
      }
    }
  }

  SECTION("it starts after `after`, and so does what is queued later without being told again")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        const stream_id other = r.d.create_stream("other");
        r.bed.delay(other, 5e-3);
        const event something_else = r.d.record(other);
        fence after(something_else);
        after.add(r.write_late(r.source(way)));
        static_cast<void>(engine->copy(r.list(way), 0, after));
        const copied second = engine->copy(r.list(way), 1, {});
        r.d.wait_sync(second.done);
        if constexpr (device_bed<Device>::is_virtual) REQUIRE(r.d.now() >= 5e-3);
        REQUIRE(r.d.query(something_else));
        REQUIRE(r.is_done(way, 0, 2));
        REQUIRE(r.bed.orderly());
      }
    }
  }

  SECTION("when it is done, both ends may be used for something else")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        const copied out = engine->copy(r.list(way), 1, {});
        r.d.wait(r.compute, out.done);
        auto source = r.source(way);
        std::vector<std::byte> later(source.bytes);
        const std::byte* const before = std::exchange(source.before, later.data());
        const event over = r.write_late(source, 0);
        r.d.wait_sync(over);
        REQUIRE(std::memcmp(r.look(source), later.data(), source.bytes) == 0);
        if (source.kind == memory_kind::device) r.bed.write(source.at, before, source.bytes);
        else std::memcpy(source.at, before, source.bytes);
        REQUIRE(r.is_done(way, 1, 2));
        REQUIRE(r.bed.orderly());
      }
    }
  }

  SECTION("transfer upon transfer, while nobody waits: whatever it keeps between is ready when it is used again")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(10); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        const fence nothing;
        event last;
        for (int round = 0; round < 4; ++round) {
          r.d.wait(r.compute, last);  // what was read may be written again
          const fence after(r.write_late(r.source(way), 1e-5));
          for (layer_index layer = 0; layer < rig::shape.layers; ++layer) {
            last = engine->copy(r.list(way), layer, layer == 0 ? after : nothing).done;
          }
        }
        REQUIRE_FALSE(r.host_has_waited());
        r.d.wait_sync(last);
        REQUIRE(r.is_done(way, 0, rig::shape.layers));
        REQUIRE(r.bed.orderly());
      }
    }
  }

  SECTION("an empty list queues nothing, whatever it is to wait for")
  {
    for (const copy_direction way : ways) {
      rig r(0);
      const auto engine = make(r.d, way);
      r.list(way).runs.clear();
      const event late = r.write_late(r.slab_layer(0, 1), 1);
      std::uint64_t before = 0;
      if constexpr (counts_calls<Device>) before = calls(r.asked_for());
      const copied out = engine->copy(r.list(way), 0, late);
      REQUIRE((out.calls == 0 && out.pieces == 0 && out.done == event{}));
      if constexpr (counts_calls<Device>) REQUIRE(calls(r.asked_for()) == before);
    }
  }

  SECTION("drain_sync blocks until all is done, and returns where the device has failed")
  {
    for (std::uint32_t seed = 0; seed < rig::seeds(5); ++seed) {
      for (const copy_direction way : ways) {
        CAPTURE(seed);
        rig r(seed);
        const auto engine = make(r.d, way);
        engine->drain_sync();
        for (layer_index layer = 0; layer < rig::shape.layers; ++layer)
          static_cast<void>(engine->copy(r.list(way), layer, {}));
        engine->drain_sync();
        REQUIRE(r.is_done(way, 0, rig::shape.layers));
        if constexpr (breaks_copies<Device>) {
          r.d.fail_next_copy();
          event lost;
          try {
            lost = engine->copy(r.list(way), 0, {}).done;
          } catch (const device_error&) {  // in real time it may show before the call is over
            REQUIRE_FALSE(device_bed<Device>::is_virtual);
          }
          engine->drain_sync();
          REQUIRE_THROWS_AS(r.d.wait_sync(lost), device_error);
        }
      }
    }
  }
}

template <class Engine, class Device = kvstrata::emulated_device>
  requires kvstrata::copy_engine<Engine, Device>
void copy_engine_conformance()
{
  check_copy_engine<Device>([](Device& d, kvstrata::copy_direction way) -> std::unique_ptr<any_engine> {
    return std::make_unique<some_engine<Engine, Device>>(d, way);
  });
}

}  // namespace kvstrata_test
