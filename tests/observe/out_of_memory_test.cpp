// Trackers for which there is no memory: what is watched goes on, and what they could not keep is counted.
#include "observe/json_reader.hpp"
#include "observe/tracker_conformance.hpp"
#include "support/allocation_count.hpp"

#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

using namespace kvstrata;
using kvstrata_test::failing_allocation;
using kvstrata_test::tally;

template <class Tracker, class... Events>
void tell_each(Tracker& who, event_list<Events...>)
{
  (tell(who, Events{}), ...);
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
  timeline roomy;
  for (int i = 0; i < 5; ++i) tell_each(roomy, tracker_events{});
  REQUIRE(roomy.left_out() == 0);
  std::size_t which = 0;
  for (bool failed = true; failed;) {
    timeline line;
    {
      const failing_allocation fails(++which);
      for (int i = 0; i < 5; ++i) tell_each(line, tracker_events{});
      failed = fails.happened();
    }
    REQUIRE(line.left_out() == (failed ? 1 : 0));
    REQUIRE(line.events() + line.left_out() == roomy.events());
    std::ostringstream out;
    line.write(out);
    const auto file = kvstrata_test::json_reader::read(out.str());
    REQUIRE(file["otherData"]["left_out"].number == static_cast<double>(line.left_out()));
  }
  REQUIRE(which > 10);
}

TEST_CASE("timeline: a cache that it watches does not notice that there is no memory for it")
{
  kvstrata_test::tracker_conformance<starved_timeline>([](const starved_timeline& mine, const tally& seen) {
    REQUIRE(mine.line.left_out() > 0);
    REQUIRE(mine.line.events() + mine.line.left_out() > seen.batches);
  });
}

TEST_CASE("timeline: an event whose time the clock does not know is left out")
{
  timeline line;
  double now = 1;
  line.use_clock([&now] {
    if (now < 0) throw std::runtime_error("the clock has stopped");
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
