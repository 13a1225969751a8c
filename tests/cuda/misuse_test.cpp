// Calls that are never right, and bounds: the sentences of the emulated device, and nothing is changed.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <functional>
#include <string>
#include <utility>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

using kvstrata_test::sentence_of;

}  // namespace

TEST_CASE("cuda: calls that are never right")
{
  cuda_device d;
  const auto device = d.allocate_device(64, "device");
  const auto other = d.allocate_device(64, "other");
  const auto host = d.allocate_pinned(64, "host");
  const stream_id s = d.create_stream("onload");
  const stream_id unknown{5};
  const event never{s, 3};
  const std::string no_stream = "stream 5 is unknown: this device has 1 stream";
  const std::string no_event =
      "event 3 of stream 'onload' was never recorded: the last point recorded there is number 0";

  const auto usage = [](const std::function<void()>& call) { return sentence_of<usage_error>(call); };
  REQUIRE(usage([&] { (void)d.record(unknown); }) == no_stream);
  REQUIRE(usage([&] { (void)d.native(unknown); }) == no_stream);
  REQUIRE(usage([&] { d.wait(unknown, event{}); }) == no_stream);
  REQUIRE(usage([&] { d.wait(s, event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { (void)d.query(event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { d.wait_sync(event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { d.copy(unknown, in, device.data(), host.data(), 1); }) == no_stream);
  REQUIRE(usage([&] { d.copy_batch(unknown, in, {}); }) == no_stream);
  REQUIRE(usage([&] { d.copy_kernel_launch(unknown, {}, {}); }) == no_stream);
  REQUIRE(usage([&] { d.launch(unknown, {"k"}, [](cudaStream_t) {}); }) == no_stream);
  REQUIRE(usage([&] { d.fill(unknown, device.data(), {}, 1); }) == no_stream);
  REQUIRE(usage([&] { d.wait(s, never); }) == no_event);
  REQUIRE(usage([&] { (void)d.query(never); }) == no_event);
  REQUIRE(usage([&] { d.wait_sync(never); }) == no_event);
  REQUIRE(usage([&] { d.copy(s, in, nullptr, host.data(), 8); }) ==
          "copy to device of 8 bytes on stream 'onload': an address is null");
  REQUIRE(usage([&] { d.copy(s, out, host.data(), nullptr, 8); }) ==
          "copy from device of 8 bytes on stream 'onload': an address is null");
  REQUIRE(usage([&] { d.copy(s, in, device.data(), host.data(), 0); }) ==
          "copy to device of 0 bytes on stream 'onload': it has no bytes");
  REQUIRE(usage([&] { d.fill(s, nullptr, {}, 4); }) == "fill of 4 bytes on stream 'onload': an address is null");
  REQUIRE(usage([&] { d.fill(s, device.data(), {}, 0); }) == "fill of 0 bytes on stream 'onload': it has no bytes");
  std::byte mine[8] = {};
  for (std::byte* const wrong : {mine, device.data() + 57, host.data() + 64, device.data() - 1}) {
    REQUIRE(usage([&] { d.fill(s, wrong, {}, 8); }) ==
            "fill of 8 bytes on stream 'onload': its destination does not lie within one allocation of this device");
  }
  for (std::byte* const wrong : {host.data(), mine, device.data() - 1, device.data() + 57, device.data() + 64}) {
    REQUIRE(
        usage([&] { d.copy(s, in, wrong, host.data(), 8); }) ==
        "copy to device of 8 bytes on stream 'onload': its destination does not lie within one allocation of device "
        "memory");
    REQUIRE(usage([&] { d.copy(s, out, host.data(), wrong, 8); }) ==
            "copy from device of 8 bytes on stream 'onload': its source does not lie within one allocation of device "
            "memory");
  }
  const copy_piece reaches[] = {{device.data(), host.data(), 8}, {device.data() + 32, host.data(), 33}};
  REQUIRE(usage([&] { d.copy_batch(s, in, reaches); }) ==
          "copy to device (pieces[1] of 2) of 33 bytes on stream 'onload': its destination does not lie within one "
          "allocation of device memory");
  const copy_piece overlap[] = {{device.data(), host.data(), 8}, {device.data() + 7, host.data(), 8}};
  REQUIRE(usage([&] { d.copy_batch(s, in, overlap); }) ==
          "copy to device (pieces[1] of 2) of 8 bytes on stream 'onload': it overlaps what a piece of the same call "
          "writes");
  const copy_piece pageable[] = {{device.data(), mine, 8}};
  REQUIRE(
      usage([&] { d.copy_kernel_launch(s, {"k", copy_route::to_device}, pageable); }) ==
      "copy kernel 'k' (pieces[0] of 1) of 8 bytes on stream 'onload': its source does not lie within one allocation "
      "of pinned memory");
  const copy_piece within[] = {{other.data(), device.data(), 8}};
  REQUIRE(usage([&] { d.copy_kernel_launch(s, {"k", copy_route::from_device}, within); }) ==
          "copy kernel 'k' (pieces[0] of 1) of 8 bytes on stream 'onload': its destination does not lie within one "
          "allocation of pinned memory");

  std::byte other_host[8] = {};
  REQUIRE(usage([&] { d.copy(s, copy_direction::on_host, device.data(), mine, 8); }) ==
          "copy on the host of 8 bytes on stream 'onload': its destination lies in device memory, but it copies on the "
          "host");
  REQUIRE(
      usage([&] { d.copy(s, copy_direction::on_host, other_host, device.data() + 60, 8); }) ==
      "copy on the host of 8 bytes on stream 'onload': its source lies in device memory, but it copies on the host");
  const copy_piece hosts[] = {{host.data(), mine, 8}};
  REQUIRE(usage([&] { d.copy_kernel_launch(s, {"k", copy_route::on_host}, hosts); }) ==
          "copy kernel 'k' (pieces[0] of 1) of 8 bytes on stream 'onload': no kernel copies from host memory to host "
          "memory");

  const cuda_device_counters told = d.stats();
  REQUIRE(told.launches() == 0);  // none of it was queued
  REQUIRE((d.record(s) == event{s, 0}));

  cuda_device trusting({.check_overlaps = false});  // as fast as it gets
  const auto slab = trusting.allocate_device(64, "slab");
  const stream_id t = trusting.create_stream("t");
  const copy_piece twice[] = {{slab.data(), mine, 8}, {slab.data(), mine, 8}};
  trusting.copy_batch(t, in, twice);
  trusting.wait_sync(trusting.record(t));
}

TEST_CASE("cuda: memory is bounded by place, and comes back when it is freed")
{
  cuda_device d({.device_bytes = 1000, .pinned_bytes = 500});
  auto a = d.allocate_device(600, "slab");
  const auto b = d.allocate_pinned(500, "arena");
  REQUIRE(sentence_of<capacity_error>([&] { (void)d.allocate_device(401, "more"); }) ==
          "device memory 'more' needs 401 bytes, but only 400 of 1000 are free");
  REQUIRE(sentence_of<capacity_error>([&] { (void)d.allocate_pinned(1, "more"); }) ==
          "pinned memory 'more' needs 1 bytes, but only 0 of 500 are free");
  REQUIRE(d.device_bytes_used() == 600);
  REQUIRE(d.pinned_bytes_used() == 500);
  const auto c = d.allocate_device(400, "rest");
  a = {};
  REQUIRE(d.device_bytes_used() == 400);
  a = d.allocate_device(600, "again");
  REQUIRE(a.size() == 600);
  REQUIRE(sentence_of<usage_error>([&] { (void)d.allocate_device(0, "none"); }) ==
          "device memory 'none' was asked for with 0 bytes");
  REQUIRE(sentence_of<usage_error>([&] { (void)d.allocate_pinned(0, "none"); }) ==
          "pinned memory 'none' was asked for with 0 bytes");

  cuda_device unbounded;
  const std::size_t huge = std::size_t{1} << 60;
  REQUIRE(sentence_of<capacity_error>([&] { (void)unbounded.allocate_device(huge, "huge"); })
              .starts_with("device memory 'huge' of 1152921504606846976 bytes cannot be had: cudaMalloc returned "
                           "cudaErrorMemoryAllocation (out of memory); "));
  REQUIRE_THROWS_AS(unbounded.allocate_pinned(huge, "huge"), capacity_error);
  REQUIRE(unbounded.device_bytes_used() == 0);
  REQUIRE(unbounded.pinned_bytes_used() == 0);
  const stream_id s = unbounded.create_stream("works");
  unbounded.launch(s, {"no stale error"}, [](cudaStream_t) {});
  unbounded.wait_sync(unbounded.record(s));
}

TEST_CASE("cuda: at most 256 streams")
{
  cuda_device d;
  for (int i = 0; i < 256; ++i) (void)d.create_stream("s");
  REQUIRE(sentence_of<capacity_error>([&] { (void)d.create_stream("one more"); }) ==
          "stream 'one more' cannot be created: a CUDA device has at most 256 streams");
}

TEST_CASE("cuda: poison overwrites with NaN where it was asked for")
{
  const bool poison = GENERATE(false, true);
  cuda_device d({.poison_freed = poison});
  REQUIRE(d.poison_freed() == poison);
  const auto mem = d.allocate_device(64, "mem");
  const auto back = d.allocate_pinned(64, "back");
  const stream_id s = d.create_stream("s");
  d.fill(s, mem.data(), std::byte{7}, 64);
  d.poison(s, mem.data() + 16, 32);
  d.fill(s, back.data(), std::byte{9}, 64);  // pinned memory can be filled, too
  d.wait_sync(d.record(s));
  REQUIRE(back.data()[63] == std::byte{9});
  d.copy(s, out, back.data(), mem.data(), 64);
  d.wait_sync(d.record(s));
  for (std::size_t i = 0; i < 64; ++i) {
    const bool inside = i >= 16 && i < 48;
    REQUIRE(back.data()[i] == (inside && poison ? std::byte{0xFF} : std::byte{7}));
  }
}
