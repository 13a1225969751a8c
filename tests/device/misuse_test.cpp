// Bounds, misuse and failures: a typed error with a sentence, and nothing is changed.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

using kvstrata_test::failure_of;
using kvstrata_test::sentence_of;

std::string config_sentence(const std::function<void(emulated_device_config&)>& spoil)
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  spoil(config);
  return sentence_of<config_error>([&] { emulated_device d(config); });
}

}  // namespace

TEST_CASE("a configuration that makes no sense is turned down by field, value and limit")
{
  REQUIRE(config_sentence([](auto& c) { c.to_device.bytes_per_second = -1; }) ==
          "emulated_device.to_device.bytes_per_second is -1, but it must be a finite number, at least 0");
  REQUIRE(config_sentence([](auto& c) { c.to_device.latency_seconds = std::nan(""); }) ==
          "emulated_device.to_device.latency_seconds is nan, but it must be a finite number, at least 0");
  REQUIRE(config_sentence([](auto& c) { c.from_device.bytes_per_second = std::numeric_limits<double>::infinity(); }) ==
          "emulated_device.from_device.bytes_per_second is inf, but it must be a finite number, at least 0");
  REQUIRE(config_sentence([](auto& c) { c.from_device.latency_seconds = -0.5; }) ==
          "emulated_device.from_device.latency_seconds is -0.5, but it must be a finite number, at least 0");
  const std::string limit = ", but it must be a finite number, at least 0";
  REQUIRE(config_sentence([](auto& c) { c.to_device.piece_seconds = -1; }) ==
          "emulated_device.to_device.piece_seconds is -1" + limit);
  REQUIRE(config_sentence([](auto& c) { c.from_device.piece_seconds = -1; }) ==
          "emulated_device.from_device.piece_seconds is -1" + limit);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.latency_seconds = -3; }) ==
          "emulated_device.copy_kernels.latency_seconds is -3" + limit);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.sm_bytes_per_second = std::nan(""); }) ==
          "emulated_device.copy_kernels.sm_bytes_per_second is nan" + limit);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.device_bytes_per_second = -4; }) ==
          "emulated_device.copy_kernels.device_bytes_per_second is -4" + limit);
  // What no sleep and no clock could count.
  const std::string slow = ", but it must be 0, for unlimited, or at least 1 byte a second";
  REQUIRE(config_sentence([](auto& c) { c.to_device.bytes_per_second = 1e-291; }) ==
          "emulated_device.to_device.bytes_per_second is 1e-291" + slow);
  REQUIRE(config_sentence([](auto& c) { c.from_device.bytes_per_second = 0.5; }) ==
          "emulated_device.from_device.bytes_per_second is 0.5" + slow);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.sm_bytes_per_second = 1e-9; }) ==
          "emulated_device.copy_kernels.sm_bytes_per_second is 1e-09" + slow);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.sm_device_bytes_per_second = 1e-9; }) ==
          "emulated_device.copy_kernels.sm_device_bytes_per_second is 1e-09" + slow);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.device_bytes_per_second = 1e-9; }) ==
          "emulated_device.copy_kernels.device_bytes_per_second is 1e-09" + slow);
  const std::string ages = ", but it may be at most 1e+09 seconds";
  REQUIRE(config_sentence([](auto& c) { c.to_device.latency_seconds = 1e300; }) ==
          "emulated_device.to_device.latency_seconds is 1e+300" + ages);
  REQUIRE(config_sentence([](auto& c) { c.from_device.piece_seconds = 2e9; }) ==
          "emulated_device.from_device.piece_seconds is 2e+09" + ages);
  REQUIRE(config_sentence([](auto& c) { c.on_host.latency_seconds = 2e9; }) ==
          "emulated_device.on_host.latency_seconds is 2e+09" + ages);
  REQUIRE(config_sentence([](auto& c) { c.on_host.piece_seconds = -1; }) ==
          "emulated_device.on_host.piece_seconds is -1, but it must be a finite number, at least 0");
  REQUIRE(config_sentence([](auto& c) { c.on_host.bytes_per_second = 1e-9; }) ==
          "emulated_device.on_host.bytes_per_second is 1e-09" + slow);
  REQUIRE(config_sentence([](auto& c) { c.copy_kernels.latency_seconds = 1e18; }) ==
          "emulated_device.copy_kernels.latency_seconds is 1e+18" + ages);
  REQUIRE(config_sentence([](auto& c) { c.jitter_seconds = 1e10; }) ==
          "emulated_device.jitter_seconds is 1e+10" + ages);
  REQUIRE(config_sentence([](auto& c) { c.jitter_seconds = -2; }) ==
          "emulated_device.jitter_seconds is -2, but it must be a finite number, at least 0");
  REQUIRE(config_sentence([](auto& c) {
            c.time = time_mode::real;
            c.jitter_seconds = 0.25;
          }) == "emulated_device.jitter_seconds is 0.25, but delays are only drawn in virtual time");
  REQUIRE(config_sentence([](auto& c) {
            c.time = time_mode::real;
            c.reorder_copies = true;
          }) == "emulated_device.reorder_copies is true, but links only serve out of turn in virtual time");
  REQUIRE(config_sentence([](auto& c) {
            c.time = time_mode::real;
            c.share_compute = true;
          }) == "emulated_device.share_compute is true, but kernels only take their turns in virtual time");
  REQUIRE(config_sentence([](auto& c) {
            c.time = time_mode::real;
            c.data = false;
          }) == "emulated_device.data is false, but data can only be switched off in virtual time");
}

TEST_CASE("memory is bounded by place, and comes back when it is freed")
{
  emulated_device_config config;
  config.device_bytes = 1000;
  config.pinned_bytes = 500;
  emulated_device d(config);
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
}

TEST_CASE("memory that cannot be had is a capacity error")
{
  emulated_device d;
  const std::size_t huge = std::size_t{1} << 60;
  REQUIRE(sentence_of<capacity_error>([&] { (void)d.allocate_device(huge, "huge"); }) ==
          "memory 'huge' of 1152921504606846976 bytes cannot be had: the system refuses to map it");
  REQUIRE(d.device_bytes_used() == 0);
}

TEST_CASE("memory may outlive its device")
{
  emulated_device::memory kept;
  {
    emulated_device d;
    kept = d.allocate_pinned(64, "kept");
  }
  kept.data()[63] = std::byte{1};
  REQUIRE(kept.size() == 64);
}

TEST_CASE("calls that are never right")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  emulated_device_config config;
  config.time = time;
  emulated_device d(config);
  const auto device = d.allocate_device(64, "device");
  const auto host = d.allocate_pinned(64, "host");
  const stream_id s = d.create_stream("onload");
  const stream_id unknown{5};
  const event never{s, 3};
  const std::string no_stream = "stream 5 is unknown: this device has 1 stream";
  const std::string no_event =
      "event 3 of stream 'onload' was never recorded: the last operation queued there is number 0";

  const auto usage = [](const std::function<void()>& call) { return sentence_of<usage_error>(call); };
  REQUIRE(usage([&] { (void)d.record(unknown); }) == no_stream);
  REQUIRE(usage([&] { d.wait(unknown, event{}); }) == no_stream);
  REQUIRE(usage([&] { d.wait(s, event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { (void)d.query(event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { d.wait_sync(event{unknown, 1}); }) == no_stream);
  REQUIRE(usage([&] { d.copy(unknown, in, device.data(), host.data(), 1); }) == no_stream);
  REQUIRE(usage([&] { d.launch(unknown, {"k"}, [] {}); }) == no_stream);
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
  REQUIRE(usage([&] { d.copy(s, in, host.data(), device.data(), 8); }) ==
          "copy to device of 8 bytes on stream 'onload': its destination does not lie within one allocation of device "
          "memory");
  REQUIRE(usage([&] { d.copy(s, out, host.data(), device.data() + 60, 5); }) ==
          "copy from device of 5 bytes on stream 'onload': its source does not lie within one allocation of device "
          "memory");
  REQUIRE(usage([&] { d.launch(s, {"k", -1}, [] {}); }) ==
          "kernel 'k' was given -1.000000 seconds, but it must be at least 0");
  REQUIRE(usage([&] { d.launch(s, {"k", std::numeric_limits<double>::infinity()}, [] {}); }) ==
          "kernel 'k' was given inf seconds, but it must be at most 1000000000");
  REQUIRE(usage([&] { d.delay_next_copy(2e9); }) ==
          "delay_next_copy was given 2000000000.000000 seconds, but it must be at most 1000000000");
  REQUIRE(usage([&] { d.delay_next_copy(-1); }) ==
          "delay_next_copy was given -1.000000 seconds, but it must be at least 0");
  if (time == time_mode::real) {
    REQUIRE(usage([&] { d.advance_host(1); }) == "advance_host was called, but real time passes by itself");
  } else {
    REQUIRE(usage([&] { d.advance_host(-1); }) ==
            "advance_host was given -1.000000 seconds, but it must be at least 0");
    REQUIRE(usage([&] { d.advance_host(std::nan("")); }).find("must be at least 0") != std::string::npos);
  }
  REQUIRE(d.stats().launches() == 0);  // none of it was queued
  REQUIRE(d.record(s) == event{s, 0});
}

TEST_CASE("a failed copy breaks the device for good")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  emulated_device_config config;
  config.time = time;
  emulated_device d(config);
  const auto device = d.allocate_device(64, "device");
  const auto host = d.allocate_pinned(64, "host");
  const stream_id s = d.create_stream("onload");
  host.data()[0] = std::byte{1};
  d.fail_next_copy(1);
  d.copy(s, in, device.data(), host.data(), 8);
  d.copy(s, in, device.data() + 8, host.data(), 16);  // this one
  d.copy(s, in, device.data() + 32, host.data(), 8);
  bool ran = false;
  d.launch(s, {"k"}, [&] { ran = true; });
  const event last{s, 4};
  const std::string injected = "copy to device of 16 bytes on stream 'onload' failed: the failure was injected";
  REQUIRE(failure_of([&] { d.wait_sync(last); }) == injected);
  REQUIRE(failure_of([&] { (void)d.query(last); }) == injected);
  REQUIRE(failure_of([&] { (void)d.query(event{}); }) == injected);
  REQUIRE(failure_of([&] { (void)d.record(s); }) == injected);
  REQUIRE(sentence_of<device_error>([&] { (void)d.record(s); }) ==
          injected + "; give up its caches, and the device: it runs nothing any more");
  REQUIRE(device.data()[0] == std::byte{1});
  REQUIRE(device.data()[8] == std::byte{0});
  REQUIRE(device.data()[32] == std::byte{0});
  REQUIRE_FALSE(ran);
  d.copy(s, in, device.data() + 32, host.data(), 8);  // queues, has no effect, and the device can be destroyed
}

TEST_CASE("a kernel that throws breaks the device")
{
  const time_mode time = GENERATE(time_mode::real, time_mode::virtual_time);
  emulated_device_config config;
  config.time = time;
  emulated_device d(config);
  const stream_id s = d.create_stream("compute");
  d.launch(s, {"attention"}, [] { throw std::runtime_error("no such head"); });
  d.launch(s, {"later"}, [] { throw 5; });
  const event last{s, 2};
  REQUIRE(failure_of([&] { d.wait_sync(last); }) == "kernel 'attention' on stream 'compute' failed: no such head");

  emulated_device other(config);
  const stream_id o = other.create_stream("compute");
  other.launch(o, {}, [] { throw 5; });
  REQUIRE(failure_of([&] { other.wait_sync(event{o, 1}); }) ==
          "kernel 'kernel' on stream 'compute' failed: it threw something that is no exception");
}

TEST_CASE("a kernel that calls its device in virtual time breaks it instead of hanging")
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  emulated_device d(config);
  const stream_id s = d.create_stream("compute");
  auto owned = d.allocate_pinned(64, "owned");
  d.launch(s, {"owns memory"}, [memory = std::move(owned)] {});  // freed inside: allowed to happen
  d.wait_sync(d.record(s));
  d.launch(s, {"asks the time"}, [&] { (void)d.now(); });
  const event last = d.record(s);
  REQUIRE(failure_of([&] { d.wait_sync(last); }) ==
          "kernel 'asks the time' on stream 'compute' failed: a kernel called its own device, which must not happen in "
          "virtual time");
}

TEST_CASE("real time has at most 256 streams")
{
  emulated_device d;
  for (int i = 0; i < 256; ++i) (void)d.create_stream("s");
  REQUIRE(sentence_of<capacity_error>([&] { (void)d.create_stream("one more"); }) ==
          "stream 'one more' cannot be created: an emulated device has at most 256 streams");
}
