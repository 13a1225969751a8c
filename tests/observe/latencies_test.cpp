// How long calls and stalls take, by a clock of the test's.
#include "observe/prometheus_reader.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/span.hpp>
#include <kvstrata/observe/latencies.hpp>

#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
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
}
