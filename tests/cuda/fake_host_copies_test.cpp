// Copies from host memory to host memory: they keep their place on the stream, and hold nobody up who queues them.
#include "cuda/cuda_bed.hpp"
#include "cuda/runtime/fake_runtime.hpp"
#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr std::size_t bytes = 4096;

}  // namespace

TEST_CASE("a copy on the host is queued like any other: the host does not wait for it, nor for what it waits for")
{
  const bool batch = GENERATE(false, true);
  fake_runtime::reset();
  {
    cuda_device d;
    device_bed<cuda_device> bed(d);
    const auto above = d.allocate_pinned(bytes, "above");
    const auto below = d.allocate_pinned(bytes, "below");
    const stream_id s = d.create_stream("demote");
    const stream_id other = d.create_stream("other");
    write_pattern(above.data(), bytes, 3);
    std::memset(below.data(), 0, bytes);
    gate_keeper keeper = bed.hold(other);
    d.wait(s, d.record(other));
    if (batch) {
      const copy_piece halves[] = {{below.data(), above.data(), bytes / 2},
                                   {below.data() + bytes / 2, above.data() + bytes / 2, bytes / 2}};
      d.copy_batch(s, copy_direction::on_host, halves);
    } else {
      d.copy(s, copy_direction::on_host, below.data(), above.data(), bytes);
    }
    const event done = d.record(s);
    REQUIRE_FALSE(d.query(done));
    REQUIRE(below.data()[0] == std::byte{0});
    keeper.open();
    d.wait_sync(done);
    REQUIRE(has_pattern(below.data(), bytes, 3));
    REQUIRE(d.stats().on_host == device_counters::traffic{1, bytes, batch ? 2U : 1U});
  }
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
}

TEST_CASE("a copy on the host that cannot be queued is refused or fails the device, and copies nothing")
{
  fake_runtime::reset();
  cuda_device d;
  const auto above = d.allocate_pinned(bytes, "above");
  const auto below = d.allocate_pinned(bytes, "below");
  const stream_id s = d.create_stream("demote");
  std::memset(below.data(), 0, bytes);
  std::memset(above.data(), 1, bytes);
  fake_runtime::fail("cudaLaunchHostFunc", cudaErrorInvalidValue);
  REQUIRE_THROWS_AS(d.copy(s, copy_direction::on_host, below.data(), above.data(), bytes), copy_refused);
  d.wait_sync(d.record(s));
  fake_runtime::fail("cudaLaunchHostFunc", cudaErrorLaunchFailure);
  REQUIRE_THROWS_AS(d.copy(s, copy_direction::on_host, below.data(), above.data(), bytes), device_error);
  REQUIRE(below.data()[0] == std::byte{0});
  REQUIRE_THROWS_AS(d.record(s), device_error);
}
