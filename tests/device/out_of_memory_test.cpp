// The emulated device when memory runs out, at every allocation in turn: the call that fails has changed nothing, what is
// queued runs on, and the ordering checker invents nothing.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <vector>

using namespace kvstrata;
using kvstrata_test::allocations;
using kvstrata_test::failing_allocation;

namespace {

constexpr std::size_t size = 256;

/// What a call that fails must leave as it was.
struct picture
{
  device_counters::traffic up, down, within;
  std::uint64_t kernels = 0;
  std::uint64_t fills = 0;
  std::vector<std::uint64_t> places;  // by stream
  std::size_t device_bytes = 0;
  std::size_t pinned_bytes = 0;

  friend bool operator==(const picture&, const picture&) = default;
};

picture look_at(emulated_device& d)
{
  const device_counters now = d.stats();
  picture p{now.to_device,         now.from_device,      now.on_device, now.kernels, now.fills, {},
            d.device_bytes_used(), d.pinned_bytes_used()};
  for (std::uint32_t i = 0; i < now.streams.size(); ++i)
    p.places.push_back(d.record(static_cast<stream_id>(i)).sequence);
  return p;
}

/// Calls a device; of all allocations in its calls the one of number `which` fails. A call that throws is made again.
class caller
{
 public:
  explicit caller(std::size_t which) : left_(which) {}

  template <class Call>
  auto operator()(emulated_device& d, Call&& call)
  {
    if (left_ == 0) return call();
    const picture before = look_at(d);
    const std::size_t counted = allocations();
    try {
      const failing_allocation armed(left_);
      const caller_end ended{*this, counted};
      return call();
    } catch (const std::bad_alloc&) {
      CHECK(left_ == 0);
      CHECK(look_at(d) == before);
    }
    return call();
  }

  /// Has it failed?
  [[nodiscard]] bool failed() const noexcept { return left_ == 0; }

 private:
  struct caller_end
  {
    ~caller_end()
    {
      const std::size_t taken = allocations() - counted;
      of.left_ = taken < of.left_ ? of.left_ - taken : 0;
    }
    caller& of;
    std::size_t counted;
  };

  std::size_t left_;
};

struct outcome
{
  bool failed = false;
  picture last;
  std::vector<std::byte> bytes;
  std::vector<ordering_violation> violations;
  std::uint64_t lapses = 0;
};

/// Rounds of copies up, a kernel, a copy kernel and copies down on three streams, everything behind what it needs; but for
/// one wait, where `forgets`.
outcome run(const emulated_device_config& config, std::size_t which, bool forgets = false)
{
  caller call(which);
  emulated_device d(config);
  const auto made = [&](const char* name) { return call(d, [&] { return d.create_stream(name); }); };
  const stream_id compute = made("compute");
  const stream_id up = made("a stream for onloads, with a long name");
  const stream_id down = made("offload");
  const stream_id store = call(d, [&] { return d.create_host_stream("a store, and its name takes memory, too"); });
  auto a = call(d, [&] { return d.allocate_device(size, "a"); });
  auto b = call(d, [&] { return d.allocate_device(2 * size, "a second one, whose name is longer"); });
  auto host = call(d, [&] { return d.allocate_pinned(4 * size, "host"); });
  std::byte* const in = host.data();
  std::byte* const out = host.data() + 2 * size;
  for (std::size_t i = 0; i < 2 * size; ++i) in[i] = static_cast<std::byte>(i);
  d.host_writes(in, 2 * size, "the host fills what is to go up");
  const auto waits = [&](stream_id stream, stream_id behind) {
    const event point = d.record(behind);
    call(d, [&] { d.wait(stream, point); });
  };
  for (std::size_t round = 0; round < 4; ++round) {
    if (round != 1 || !forgets) waits(up, compute);
    call(d, [&] { d.copy(up, copy_direction::to_device, a.data(), in + round, size); });
    waits(compute, up);
    waits(compute, down);
    std::byte* const from = a.data();
    std::byte* const to = b.data();
    const emulated_device::memory_range reads[] = {{from, size}};
    const emulated_device::memory_range writes[] = {{to, size}};
    call(d, [&] {
      d.launch(compute, {.label = "adds one, in a kernel", .seconds = 0.25, .reads = reads, .writes = writes},
               [from, to] {
                 for (std::size_t i = 0; i < size; ++i) {
                   to[i] = static_cast<std::byte>(std::to_integer<unsigned>(from[i]) + 1);
                 }
               });
    });
    const copy_piece within[] = {{to + size, to + 1, size - 1}, {to + 2 * size - 1, to, 1}};
    call(d, [&] {
      d.copy_kernel_launch(compute, {.label = "turns, in a copy kernel", .route = copy_route::on_device}, within);
    });
    waits(down, compute);
    waits(down, store);
    const copy_piece lower[] = {{out, to, size}, {out + size, to + size, size}};
    call(d, [&] { d.copy_batch(down, copy_direction::from_device, lower); });
    const byte_range kept[] = {{out, 2 * size}};
    const host_io put{.label = "a put, and its label takes memory", .ready = d.record(down), .reads = kept};
    const event promised = call(d, [&] { return d.promise(store, put); });
    if (config.time == time_mode::virtual_time) {
      call(d, [&] { d.complete_later(promised, 0.25, [] {}); });
    } else {
      call(d, [&] { d.wait_sync(d.record(down)); });
      call(d, [&] { d.complete(promised); });
    }
    auto passing = call(d, [&] { return d.allocate_device(64, "memory that comes and goes"); });
    call(d, [&] { d.fill(up, passing.data(), std::byte{7}, 64); });
    const event filled = d.record(up);
    call(d, [&] { return d.query(filled); });
    call(d, [&] { d.wait_sync(filled); });
    call(d, [&] { passing = {}; });  // while other streams are at work
    if (config.time == time_mode::virtual_time) call(d, [&] { d.advance_host(0.125); });
    if (round % 2 == 1) call(d, [&] { d.wait_sync(d.record(down)); });
  }
  call(d, [&] { d.wait_sync(d.record(down)); });
  call(d, [&] { d.wait_sync(d.record(store)); });
  d.host_reads(out, 2 * size, "the host looks");
  outcome o{call.failed(), look_at(d), {out, out + 2 * size}, d.violations(), d.ordering_lapses()};
  CHECK(d.trace().size() <= o.last.places.size() * 200);
  return o;
}

emulated_device_config virtually()
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = 2048, .latency_seconds = 0.0625},
          .from_device = {.bytes_per_second = 1024, .latency_seconds = 0.125, .piece_seconds = 0.03125},
          .seed = 5,
          .jitter_seconds = 0.01,
          .reorder_copies = true,
          .check_ordering = true,
          .poison_freed = true,
          .trace = true};
}

emulated_device_config really() { return {.check_ordering = true, .poison_freed = true, .trace = true}; }

}  // namespace

TEST_CASE("out of memory: a call that fails has changed nothing, and nothing is invented", "[device][memory]")
{
  for (const emulated_device_config& config : {virtually(), really()}) {
    const outcome right = run(config, 0);
    REQUIRE(right.violations.empty());
    REQUIRE(right.lapses == 0);
    std::size_t which = 1;
    std::uint64_t lapses = 0;
    for (;; ++which) {
      CAPTURE(which);
      const outcome o = run(config, which);
      REQUIRE(o.violations.empty());
      REQUIRE(o.last == right.last);
      REQUIRE(o.bytes == right.bytes);
      lapses += o.lapses;
      if (!o.failed) break;
    }
    CHECK(which > 150);
    CHECK(lapses > 20);
  }
}

TEST_CASE("out of memory: what nothing orders is found, or the checker says that it may have missed it",
          "[device][memory]")
{
  std::size_t found = 0;
  for (std::size_t which = 0;; ++which) {
    CAPTURE(which);
    const outcome o = run(virtually(), which, true);
    REQUIRE((!o.violations.empty() || o.lapses != 0));
    for (const ordering_violation& v : o.violations) REQUIRE(v.region == "a");
    if (!o.violations.empty()) ++found;
    if (which != 0 && !o.failed) break;
  }
  CHECK(found > 100);
}

TEST_CASE("out of memory: a failure strikes the next copy that is queued, not one that is not", "[device][memory]")
{
  for (std::size_t which = 1;; ++which) {
    CAPTURE(which);
    emulated_device d({.time = time_mode::virtual_time, .check_ordering = true});
    const stream_id s = d.create_stream("s");
    auto device = d.allocate_device(64, "device");
    auto host = d.allocate_pinned(64, "host");
    const copy_piece pieces[] = {{device.data(), host.data(), 8}, {device.data() + 16, host.data() + 16, 8}};
    d.delay_next_copy(2, 1);
    d.fail_next_copy(2);
    caller call(which);
    for (int copy = 0; copy < 3; ++copy) {
      call(d, [&] { d.copy_batch(s, copy_direction::to_device, pieces); });
      if (copy == 2) break;
      d.wait_sync(d.record(s));
      REQUIRE(d.now() == (copy == 0 ? 0 : 2));
    }
    REQUIRE_THROWS_AS(d.wait_sync({s, 3}), device_error);
    if (!call.failed()) break;
  }
}

TEST_CASE("out of memory: work that is under way goes on, and a failure is told", "[device][memory]")
{
  for (const time_mode mode : {time_mode::virtual_time, time_mode::real}) {
    emulated_device d({.time = mode, .trace = true});
    const stream_id s = d.create_stream("a stream with a name that takes memory");
    int ran = 0;
    const auto run_dry = [&ran] {  // on whatever thread this runs: its next allocation fails
      ++ran;
      kvstrata_test::detail::until_failure = 1;
    };
    d.launch(s, {.label = "a kernel after which memory is gone", .seconds = 1}, run_dry);
    d.launch(s, {.label = "the next"}, [&ran] { ++ran; });
    d.wait_sync(d.record(s));
    CHECK(ran == 2);
    kvstrata_test::detail::until_failure = 0;
    CHECK(d.trace().size() < 2);
    d.launch(s, {.label = "a kernel that throws when memory is gone"}, [&run_dry] {
      run_dry();
      throw 7;
    });
    CHECK_THROWS_WITH(d.wait_sync({s, 3}), "the device failed when memory had run out");
    kvstrata_test::detail::until_failure = 0;
  }
}
