// Stalls in the trace: a wait leaves a span where it stopped a stream that had work, and nowhere else.
#include "device/random_program.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <future>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

emulated_device_config traced()
{
  emulated_device_config config;
  config.time = time_mode::virtual_time;
  config.trace = true;
  return config;
}

struct bench
{
  explicit bench(const emulated_device_config& config = traced()) : d(config) {}
  emulated_device d;
  stream_id a = d.create_stream("onload");
  stream_id b = d.create_stream("compute");
  stream_id c = d.create_stream("offload");

  event work(stream_id s, double seconds)
  {
    d.launch(s, {"k", seconds}, [] {});
    return d.record(s);
  }
  std::vector<op_span> stalls() const
  {
    std::vector<op_span> out;
    for (const op_span& s : d.trace()) {
      if (s.kind == operation_kind::wait) out.push_back(s);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a stream that stands still with work queued leaves a span that tells for whom")
{
  bench t;
  t.d.wait(t.b, t.work(t.a, 4));
  t.work(t.b, 1);
  t.d.wait_sync(t.d.record(t.b));
  const auto spans = t.d.trace();
  REQUIRE(spans.size() == 3);
  REQUIRE(spans[0].label == "k");
  REQUIRE(spans[1] == op_span{t.b, "compute", "stall: waits for onload", operation_kind::wait, 0, 4, 0,
                              0});  // before what it held up
  REQUIRE(spans[2].begin == 4);
}

TEST_CASE("waits that stop nothing leave no span")
{
  bench t;
  const event slow = t.work(t.a, 4);
  t.d.wait(t.b, slow);  // nothing behind it until all is over
  t.d.wait_sync(slow);
  t.work(t.b, 1);
  t.d.wait(t.b, slow);  // long past
  t.work(t.b, 1);
  t.d.wait(t.b, t.d.record(t.b));  // the stream's own
  t.work(t.b, 1);
  t.d.wait(t.b, t.work(t.a, 2));  // over before the stream gets there
  t.work(t.b, 1);
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.d.stats().streams[1].stall_seconds == 0);
  REQUIRE(t.stalls().empty());
}

TEST_CASE("a stall begins when there is work, and several waits make one stall")
{
  bench t;
  t.d.wait(t.b, t.work(t.a, 4));
  t.d.wait(t.b, t.work(t.c, 6));
  t.d.advance_host(1);
  t.work(t.b, 1);  // queued at 1, runs at 6
  t.work(t.b, 1);
  t.d.wait_sync(t.d.record(t.b));
  REQUIRE(t.stalls() ==
          std::vector<op_span>{{t.b, "compute", "stall: waits for offload", operation_kind::wait, 1, 6, 0, 0}});
}

TEST_CASE("without the trace stalls are counted, not kept; clear_trace drops them")
{
  emulated_device_config config = traced();
  config.trace = false;
  for (const bool keep : {false, true}) {
    config.trace = keep;
    bench t(config);
    t.d.wait(t.b, t.work(t.a, 4));
    t.work(t.b, 1);
    t.d.wait_sync(t.d.record(t.b));
    REQUIRE(t.d.stats().streams[1].stall_seconds == 4);
    REQUIRE(t.stalls().size() == (keep ? 1 : 0));
    t.d.clear_trace();
    REQUIRE(t.d.trace().empty());
  }
}

TEST_CASE("stall spans of a stream add up to its stalled seconds and lie in its idle time")
{
  std::size_t seen = 0;
  for (std::uint64_t number = 0; number < 30; ++number) {
    const auto program = kvstrata_test::mended(kvstrata_test::random_program(number, 40, 30));
    for (const time_mode time : {time_mode::virtual_time, time_mode::real}) {
      emulated_device_config config = traced();
      config.time = time;
      config.seed = number;
      if (time == time_mode::virtual_time) config.jitter_seconds = number % 2 == 0 ? 0 : 0.25;
      emulated_device d(config);
      REQUIRE(kvstrata_test::run_on(d, program) == kvstrata_test::run_in_order(program));
      const auto streams = d.stats().streams;
      for (std::size_t s = 0; s < streams.size(); ++s) {
        double stalled = 0;
        double busy_until = 0;
        for (const op_span& span : d.trace()) {
          if (static_cast<std::size_t>(span.stream) != s) continue;
          REQUIRE(span.begin >= busy_until);
          REQUIRE(span.end >= span.begin);
          busy_until = span.end;
          if (span.kind != operation_kind::wait) continue;
          REQUIRE(span.end > span.begin);
          REQUIRE(span.label.rfind("stall: waits for s", 0) == 0);
          REQUIRE(span.label != "stall: waits for " + span.stream_name);
          stalled += span.end - span.begin;
          ++seen;
        }
        REQUIRE(stalled == streams[s].stall_seconds);
      }
    }
  }
  REQUIRE(seen > 50);
}

TEST_CASE("real time: a stream held up by a kernel leaves a stall")
{
  emulated_device_config config;
  config.trace = true;
  bench t(config);
  std::promise<void> opened;
  t.d.launch(t.a, {"held"}, [gate = opened.get_future().share()] { gate.wait(); });
  t.d.wait(t.b, t.d.record(t.a));
  const event last = t.work(t.b, 0);
  t.d.launch(t.c, {"opens"}, [&] { opened.set_value(); });
  t.d.wait_sync(last);
  for (const op_span& s : t.stalls()) {  // the other stream may have been the faster one: then there is none
    REQUIRE(s.stream == t.b);
    REQUIRE(s.label == "stall: waits for onload");
  }
  double stalled = 0;
  for (const op_span& s : t.stalls()) stalled += s.end - s.begin;
  REQUIRE(stalled == t.d.stats().streams[1].stall_seconds);
}
