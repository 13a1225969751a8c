// From one memory to another, down the stack: by conformance, and when it runs beside what.
#include "support/plain_device.hpp"
#include "transfer/demotion_conformance.hpp"

#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr double unit = 1.0 / 1024;

}  // namespace

TEST_CASE("demotion: conformance", "[transfer]") { demotion_conformance(); }
TEST_CASE("demotion on any device: conformance", "[transfer]") { demotion_conformance<plain_device>(); }

TEST_CASE("a demotion costs what a copy on the host does, on a stream of its own, beside both links",
          "[transfer][time]")
{
  constexpr std::size_t piece = 1024;
  constexpr std::uint32_t layers = 4;
  emulated_device d({.time = time_mode::virtual_time,
                     .to_device = {.latency_seconds = 8 * unit},
                     .from_device = {.latency_seconds = 2 * unit},
                     .on_host = {.latency_seconds = unit},
                     .check_ordering = true,
                     .trace = true});
  const auto slab = d.allocate_device(layers * piece, "slab");
  const auto arena = d.allocate_pinned(2 * layers * piece, "arena");
  const auto below = d.allocate_pinned(layers * piece, "below");
  const auto end = [](std::byte* at) { return copy_end{at, {.layer_stride = piece, .page_stride = piece}}; };
  const auto list = [&](copy_end from, copy_end to) {
    return copy_list{.piece_bytes = piece, .layers = layers, .runs = {{from, to, 1}}};
  };
  layerwise_transfer<>::on<emulated_device> channel(d);
  demotion<emulated_device> down(d);
  const ticket offloaded = channel.offload(list(end(slab.data()), end(arena.data())), {}, {});
  // What was offloaded goes on down, all of it after the offload; other bytes come up meanwhile.
  const ticket demoted = down.demote(list(end(arena.data()), end(below.data())), offloaded.last());
  const ticket onloaded = channel.onload(list(end(arena.data() + layers * piece), end(slab.data())), offloaded.last());
  d.wait_sync(demoted.last());
  CHECK(d.now() == layers * 2 * unit + layers * unit);
  d.wait_sync(onloaded.last());
  CHECK(d.now() == layers * 2 * unit + layers * 8 * unit);
  CHECK(d.violations().empty());
  const device_counters s = d.stats();
  CHECK(s.on_host == device_counters::traffic{layers, layers * piece, layers});
  CHECK(s.launches() == 3 * layers);
  CHECK(s.host_waits == 2);  // the test's own
  std::vector<op_span> spans;
  for (const op_span& one : d.trace()) {
    if (one.stream_name == "demote" && one.kind != operation_kind::wait) spans.push_back(one);
  }
  REQUIRE(spans.size() == layers);
  for (const op_span& one : spans) {
    CHECK((one.kind == operation_kind::copy_on_host && one.label == "copy on the host" && one.bytes == piece));
  }
}

TEST_CASE("a demotion that does not wait for the offload that brings its bytes is found", "[transfer][ordering]")
{
  transfer_rig<emulated_device> r(0, true);
  layerwise_transfer<>::on<emulated_device> channel(r.d);
  demotion<emulated_device> down(r.d);
  const ticket offloaded = channel.offload(r.down, {}, {});
  const ticket demoted = down.demote(r.across, {});
  r.d.wait_sync(offloaded.last());
  r.d.wait_sync(demoted.last());
  CHECK_FALSE(r.bed.orderly());
}
