// Batches on drivers that take them, and on those that do not.
#include "cuda/runtime/fake_runtime.hpp"
#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

/// The device goes before its memory does: a failure leaves work behind.
struct bench
{
  explicit bench(std::size_t cap) : owned(std::make_unique<cuda_device>(cuda_device_config{.batch_pieces = cap}))
  {
    mem = d.allocate_device(10000, "mem");
    host = d.allocate_pinned(10000, "host");
    back = d.allocate_pinned(10000, "back");
    kvstrata_test::write_pattern(host.data(), 10000, 1);
  }
  cuda_device::memory mem, host, back;
  std::unique_ptr<cuda_device> owned;
  cuda_device& d = *owned;
  stream_id s = d.create_stream("s");

  void send(std::size_t count)
  {
    std::vector<copy_piece> pieces;
    for (std::size_t i = 0; i < count; ++i) pieces.push_back({mem.data() + i * 10, host.data() + i * 10, 10});
    d.copy_batch(s, copy_direction::to_device, pieces);
  }
  bool arrived(std::size_t count)
  {
    d.copy(s, copy_direction::from_device, back.data(), mem.data(), count * 10);
    d.wait_sync(d.record(s));
    return kvstrata_test::has_pattern(back.data(), count * 10, 1);
  }
};

}  // namespace

TEST_CASE("no call has more pieces than the cap; a lone piece is a plain copy")
{
  fake_runtime::reset();
  bench t(64);
  t.send(129);
  REQUIRE(t.arrived(129));
  REQUIRE(fake_runtime::largest_batch() == 64);
  REQUIRE(fake_runtime::calls("cudaMemcpyBatchAsync") == 2);
  REQUIRE(fake_runtime::calls("cudaMemcpyAsync") == 2);  // the 129th, and back
  t.send(1000);
  REQUIRE(t.arrived(1000));
  REQUIRE(fake_runtime::largest_batch() == 64);
  REQUIRE(t.d.stats().batch_calls == 2 + 16);
}

TEST_CASE("a driver without batches is asked once, and every piece goes by a call of its own")
{
  const cudaError_t refusal = GENERATE(cudaErrorNotSupported, cudaErrorCallRequiresNewerDriver);
  const std::uint64_t accepted = GENERATE(std::uint64_t{0}, std::uint64_t{2});  // calls before it refuses
  fake_runtime::reset();
  bench t(10);
  fake_runtime::fail("cudaMemcpyBatchAsync", refusal, accepted, 1);
  t.send(50);
  REQUIRE(t.arrived(50));
  REQUIRE(t.d.stats().loose_pieces == 50 - 10 * accepted);
  t.d.launch(t.s, {"no stale error"}, [](cudaStream_t) {});
  const std::uint64_t asked = fake_runtime::calls("cudaMemcpyBatchAsync");
  REQUIRE(asked == accepted + 1);
  t.send(30);
  REQUIRE(t.arrived(30));
  REQUIRE(fake_runtime::calls("cudaMemcpyBatchAsync") == asked);
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
}

TEST_CASE("a batch that fails otherwise fails the device; one that is refused in its midst is not taken")
{
  fake_runtime::reset();
  bench t(10);
  fake_runtime::fail("cudaMemcpyBatchAsync", cudaErrorInvalidValue, 1);
  REQUIRE_THROWS_AS(t.send(50), copy_refused);
  t.send(50);
  REQUIRE(t.arrived(50));
  fake_runtime::fail("cudaMemcpyBatchAsync", cudaErrorLaunchFailure, 1);
  REQUIRE_THROWS_AS(t.send(50), device_error);
  REQUIRE_THROWS_AS(t.send(1), device_error);
}
