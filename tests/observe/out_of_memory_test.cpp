// Trackers for which there is no memory: what is watched goes on, and what they could not keep is counted.
#include "observe/json_reader.hpp"
#include "observe/tracker_conformance.hpp"
#include "support/allocation_count.hpp"

#include <kvstrata/device/span.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::failing_allocation;
using kvstrata_test::tally;

template <class Tracker, class... Events>
void tell_each(Tracker& who, event_list<Events...>)
{
  (tell(who, Events{}), ...);
}

/// Events and spans that a timeline was told, each at a time of its own.
constexpr std::size_t told_to_timeline = 5 * (12 + 2);
void tell_timeline(timeline& line)
{
  double now = 0;
  line.use_clock([&now] { return ++now; });
  for (int i = 0; i < 5; ++i) {
    tell_each(line, tracker_events{});
    line.add_spans(std::vector<op_span>{{.stream_name = "a stream with a long name", .label = "x", .end = 1},
                                        {.stream_name = "s", .label = "a label that is long, too", .end = 1}});
  }
  line.use_clock([] { return 0.0; });
}

/// Of a file that a timeline wrote.
std::size_t events_in(const std::string& text)
{
  std::size_t out = 0;
  const kvstrata_test::json_value file = kvstrata_test::json_reader::read(text);
  for (const auto& e : file["traceEvents"].items) {
    if (e["ph"].text == "M" || e["cat"].text == "left out") continue;
    out += e["args"].has("count") ? static_cast<std::size_t>(e["args"]["count"].number) : 1;
  }
  return out;
}

/// A timeline whose every event meets a failing allocation: the first, the second, ... in turn.
struct starved_timeline
{
  timeline line;
  std::size_t turn = 0;

  template <class Event>
    requires tracks<timeline, Event>
  void on(const Event& e) noexcept
  {
    const failing_allocation fails(turn++ % 4 + 1);
    line.on(e);
  }
};

}  // namespace

TEST_CASE("counters allocate nothing")
{
  counters c;
  const std::size_t before = kvstrata_test::allocations();
  tell_each(c, tracker_events{});
  REQUIRE(c.read().batches == 1);
  REQUIRE(kvstrata_test::allocations() == before);
}

TEST_CASE("timeline: whichever allocation fails, only events go missing, and the file says how many")
{
  std::size_t which = 0;
  std::uint64_t left_out = 0;
  for (bool failed = true; failed;) {
    timeline line;
    {
      const failing_allocation fails(++which);
      try {
        tell_timeline(line);
        failed = fails.happened();
      } catch (const std::bad_alloc&) {  // the test's own
        continue;
      }
    }
    REQUIRE(line.left_out() <= (failed ? 1 : 0));
    std::ostringstream out;
    line.write(out);
    REQUIRE(events_in(out.str()) + line.left_out() == told_to_timeline);
    const auto file = kvstrata_test::json_reader::read(out.str());
    REQUIRE(file["otherData"]["left_out"].number == static_cast<double>(line.left_out()));
    left_out += line.left_out();
  }
  REQUIRE(left_out > 10);
}

TEST_CASE("timeline: a cache that it watches does not notice that there is no memory for it")
{
  kvstrata_test::tracker_conformance<starved_timeline>([](const starved_timeline& mine, const tally& seen) {
    REQUIRE(mine.line.left_out() > 0);
    REQUIRE(mine.line.events() > 0);
    REQUIRE(seen.batches > 0);
  });
}

TEST_CASE("timeline: an event whose time the clock does not know is left out")
{
  timeline line;
  double now = 1;
  line.use_clock([&now] {
    if (now == -1) throw std::runtime_error("the clock has stopped");
    return now;
  });
  line.on(call_began{});
  line.on(pressure_met{});
  for (const double wrong : {-1.0, std::nan(""), std::numeric_limits<double>::infinity(), 0.5}) {
    now = wrong;
    line.on(call_ended{});  // 0.5: it would end before it began
    if (wrong != 0.5) line.on(pressure_met{});
  }
  REQUIRE(line.events() == 1);
  REQUIRE(line.left_out() == 7);
}
