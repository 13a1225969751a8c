// How long calls and stalls take, by a clock of the test's.
#include "observe/prometheus_reader.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/device/span.hpp>
#include <kvstrata/observe/latencies.hpp>
#include <kvstrata/observe/tracker_ref.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace kvstrata;

namespace {

struct bench
{
  bench()
  {
    seen.use_clock([this] { return now; });
  }
  void call(call_name name, double from, double to)
  {
    now = from;
    seen.on(call_began{name});
    now = to;
    seen.on(call_ended{name});
  }
  [[nodiscard]] log2_histogram of(call_name name) const { return seen.read().calls[static_cast<std::size_t>(name)]; }

  double now = 0;
  latencies seen;
};

[[nodiscard]] op_span stall(double begin, double end)
{
  op_span s;
  s.label = "waits for copy";
  s.kind = operation_kind::wait;
  s.begin = begin;
  s.end = end;
  return s;
}

}  // namespace

TEST_CASE("latencies: each call's time, in microseconds, under its name", "[observe]")
{
  bench b;
  b.call(call_name::prepare, 1, 1.000005);
  b.call(call_name::prepare, 2, 2.003);
  b.call(call_name::release, 3, 3);
  CHECK(b.of(call_name::prepare).total() == 2);
  CHECK(b.of(call_name::prepare).sum == 3005);
  CHECK(b.of(call_name::prepare).counts[log2_histogram::bucket_of(5)] == 1);
  CHECK(b.of(call_name::release).counts[0] == 1);
  CHECK(b.of(call_name::commit).total() == 0);
}

TEST_CASE("latencies: a lease from its prepare to its release, a wait for the lock as the cache tells it", "[observe]")
{
  bench b;
  const auto prepare = [&b](std::uint64_t lease, double from, double to) {
    b.now = from;
    b.seen.on(call_began{call_name::prepare});
    b.seen.on(batch_prepared{.lease = lease});
    b.now = to;
    b.seen.on(call_ended{call_name::prepare});
  };
  const auto release = [&b](std::uint64_t lease, double at) {
    b.now = at;
    b.seen.on(lease_released{.lease = lease});
  };
  prepare(1, 1, 1.5);
  prepare(2, 2, 2);
  release(2, 2.000007);
  release(1, 1.75);
  release(3, 4);  // nobody's
  CHECK(b.seen.read().leases.total() == 2);
  CHECK(b.seen.read().leases.sum == 750007);
  prepare(4, 5, 5);
  release(4, 3);  // backwards
  CHECK(b.seen.read().leases.total() == 2);
  CHECK(b.seen.read().left_out == 1);
  b.seen.on(lock_waited{call_name::erase, 2600});
  b.seen.on(lock_waited{call_name::erase, 400});
  const log2_histogram waits = b.seen.read().locks[static_cast<std::size_t>(call_name::erase)];
  CHECK(waits.total() == 2);
  CHECK(waits.sum == 3);
  CHECK(b.of(call_name::erase).total() == 0);
}

TEST_CASE("latencies: a cache says how long leases are out, and nothing of a lock that is free", "[observe]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const geometry shape{.layers = 1, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
  using watched = device_only_cache<emulated_device, lru, latencies>;
  watched cache(device, {.shape = shape, .tiers = {{.bytes = 8 * page_bytes(shape, 4)}}, .layout = {.page_tokens = 4}});
  cache.tracker().use_clock([&device] { return device.now(); });
  const stream_id compute = device.create_stream("compute");
  const request one{.user = user_id{1}, .history_tokens = 4}, other{.user = user_id{2}, .history_tokens = 4};
  auto first = cache.prepare({&one, 1}, compute).value();
  device.advance_host(3e-3);
  {
    auto second = cache.prepare({&other, 1}, compute).value();
    device.advance_host(1e-3);
  }  // released without a commit
  first.layer_done(0);
  first.finish();
  const latencies::snapshot seen = cache.tracker().read();
  CHECK(seen.leases.total() == 2);
  CHECK(seen.leases.sum == 1000 + 4000);
  for (const log2_histogram& each : seen.locks) CHECK(each.total() == 0);
}

namespace {

/// Holds the cache's lock, in the calls of one thread, until another has waited for it.
struct lock_holder
{
  void on(const call_began& e) noexcept
  {
    if (e.call != call_name::clean) return;
    inside.store(true);
    while (!let_go.load()) std::this_thread::yield();
  }
  void on(const lock_waited& e) noexcept
  {
    calls.push_back(e.call);
    least = (std::min)(least, e.nanoseconds);
  }
  std::atomic<bool> inside{false}, let_go{false};
  std::vector<call_name> calls;
  std::uint64_t least = ~std::uint64_t{0};
};

}  // namespace

TEST_CASE("who finds the cache's lock taken is told of, by the call that it is", "[observe]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const geometry shape{.layers = 1, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
  lock_holder seen;
  using watched = device_only_cache<emulated_device, lru, tracker_ref<lock_holder>>;
  watched cache(device, {.shape = shape, .tiers = {{.bytes = 8 * page_bytes(shape, 4)}}, .layout = {.page_tokens = 4}},
                tracker_ref(seen));
  // However late the other thread comes to the lock: once it is held while it does.
  for (int round = 0; seen.calls.empty(); ++round) {
    seen.inside = seen.let_go = false;
    std::thread holder([&cache] { static_cast<void>(cache.clean()); });
    while (!seen.inside) std::this_thread::yield();
    std::thread opener([&seen, round] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1 + round));
      seen.let_go = true;
    });
    CHECK_FALSE(cache.erase(user_id{1}));
    holder.join();
    opener.join();
  }
  CHECK(seen.calls == std::vector{call_name::erase});
  CHECK(seen.least > 0);
}

TEST_CASE("latencies: what the clock does not know is left out, and counted", "[observe]")
{
  bench b;
  b.call(call_name::prepare, std::numeric_limits<double>::quiet_NaN(), 1);
  b.call(call_name::prepare, 2, 1);
  b.seen.use_clock([]() -> double { throw std::runtime_error("stopped"); });
  b.call(call_name::prepare, 1, 2);
  CHECK(b.of(call_name::prepare).total() == 0);
  CHECK(b.seen.read().left_out == 3);
  CHECK_THROWS_WITH(b.seen.use_clock({}), "use_clock was given an empty function");
}

TEST_CASE("latencies: of a trace the stalls count, and nothing else", "[observe]")
{
  bench b;
  op_span kernel = stall(0, 1);
  kernel.kind = operation_kind::kernel;
  b.seen.add_stalls(std::vector{stall(0, 4e-6), kernel, stall(1, 1.001)});
  b.seen.add_stalls(std::vector{stall(2, 2)});
  CHECK(b.seen.read().stalls.total() == 3);
  CHECK(b.seen.read().stalls.sum == 1004);
  const auto before = b.seen.read();
  CHECK_THROWS_AS(b.seen.add_stalls(std::vector{stall(0, 1), stall(2, 1)}), usage_error);
  CHECK(b.seen.read() == before);
}

TEST_CASE("latencies: as Prometheus histograms, of several caches", "[observe]")
{
  bench b;
  b.call(call_name::commit, 0, 3e-6);
  b.seen.add_stalls(std::vector{stall(0, 7e-6)});
  b.seen.on(lock_waited{call_name::prepare, 9000});
  const std::vector<labelled<latencies::snapshot>> all = {{{{"shard", "0"}}, b.seen.read()}, {{{"shard", "1"}}, {}}};
  std::ostringstream out;
  prometheus_writer to(out);
  write_prometheus(to, all);
  const kvstrata_test::prometheus_reader text(out.str());
  CHECK(text.sample("kvstrata_call_microseconds_sum", {{"shard", "0"}, {"call", "commit"}}).value == "3");
  CHECK(text.sample("kvstrata_call_microseconds_bucket", {{"shard", "0"}, {"call", "commit"}, {"le", "3"}}).value ==
        "1");
  CHECK(text.sample("kvstrata_call_microseconds_bucket", {{"shard", "0"}, {"call", "commit"}, {"le", "1"}}).value ==
        "0");
  CHECK(text.sample("kvstrata_call_microseconds_count", {{"shard", "1"}, {"call", "commit"}}).value == "0");
  CHECK(text.sample("kvstrata_stall_microseconds_sum", {{"shard", "0"}}).value == "7");
  CHECK(text.sample("kvstrata_lock_wait_microseconds_sum", {{"shard", "0"}, {"call", "prepare"}}).value == "9");
  CHECK(text.sample("kvstrata_lock_wait_microseconds_count", {{"shard", "0"}, {"call", "commit"}}).value == "0");
  CHECK(text.sample("kvstrata_lease_microseconds_count", {{"shard", "1"}}).value == "0");
}
