// The last events of a cache, and a log of them: who evicted whom, for which batch, and why a call was turned away.
#include "cache/scene.hpp"
#include "support/catch.hpp"

#include <kvstrata/observe/event_log.hpp>
#include <kvstrata/observe/event_ring.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using ring = event_ring<256>;
using watched = default_cache<emulated_device, lru, trackers<ring, event_log>>;

[[nodiscard]] std::vector<std::string> lines_of(const std::vector<event_record>& all, std::string_view name)
{
  std::vector<std::string> out;
  for (const event_record& e : all) {
    if (e.name == name) out.push_back(to_string(e));
  }
  return out;
}

struct story : scene<watched>
{
  story() : scene(8, 64) {}
  void serve(unsigned user, token_count history, std::uint64_t label)
  {
    auto mine = cache.prepare(batch({{user, history}}), compute, {.label = label}).value();
    run_model(mine);
    mine.finish();
  }
  [[nodiscard]] std::vector<std::string> lines(std::string_view name)
  {
    return lines_of(cache.tracker().get<ring>().last(), name);
  }
};

using words = std::vector<std::string>;

}  // namespace

TEST_CASE("a ring keeps the newest events, in order and with their numbers")
{
  event_ring<3> r;
  CHECK(r.last().empty());
  for (std::uint64_t n = 0; n < 5; ++n) r.on(batch_committed{n});
  CHECK(r.told() == 5);
  CHECK(lines_of(r.last(), "batch_committed") ==
        words{"batch_committed tokens=2", "batch_committed tokens=3", "batch_committed tokens=4"});
  std::ostringstream out;
  r.write(out);
  CHECK(out.str() == "#2 batch_committed tokens=2\n#3 batch_committed tokens=3\n#4 batch_committed tokens=4\n");
  r.clear();
  CHECK(r.last().empty());
  r.on(write_refused{7, refusal::apart, 2});
  CHECK(to_string(r.last().at(0)) == "write_refused tokens=7 level=2 why=apart");
}

TEST_CASE("an event has all that it says, and words for what has names")
{
  batch_prepared what{.requests = 2, .computed_tokens = 3, .recomputed_tokens = 1, .prefetched_tokens = 5};
  for (level_index i = 0; i < most_levels; ++i) what.from[i] = 10 + i;
  what.lease = 8;
  what.label = 9;
  CHECK(
      to_string(record_of(what)) ==
      "batch_prepared lease=8 label=9 requests=2 computed=3 recomputed=1 prefetched=5 level_0=10 level_1=11 level_2=12 "
      "level_3=13 level_4=14 level_5=15 level_6=16 level_7=17");
  CHECK(to_string(record_of(pressure_met{{.pages_needed = 4, .pages_free = 1, .pages_held = 7}, 3})) ==
        "pressure_met why=held label=3 pages_needed=4 pages_free=1 pages_evictable=0 pages_held=7");
  CHECK(to_string(record_of(pressure_met{{.why = pressure::reason::user_held, .user = 6}})) ==
        "pressure_met why=user_held user=6");
  CHECK(to_string(
            record_of(pressure_met{{.why = pressure::reason::arriving, .by_commit = true, .user = 6, .space = 2}})) ==
        "pressure_met why=arriving user=6 space=2 by_commit=1");
  CHECK(to_string(record_of(record_lost{2, 12, true})) == "record_lost tokens=12 level=2 way=up");
}

TEST_CASE("who evicted whom, and for which batch")
{
  story s;
  s.serve(1, 20, 1);
  s.serve(2, 32, 4711);
  CHECK(s.lines("batch_prepared") == words{"batch_prepared lease=1 label=1 requests=1 computed=20",
                                           "batch_prepared lease=2 label=4711 requests=1 computed=32"});
  CHECK(s.lines("tokens_evicted") ==
        words{"tokens_evicted user=1 level=0 tokens=20 unread=20 age=0 call=prepare lease=2 "
              "label=4711"});
  CHECK(s.cache.prefetch(s.asks(1, 20)).value().tokens == 20);
  CHECK(s.lines("tokens_evicted").back().find("tokens_evicted user=2 level=0") == 0);
  CHECK(s.lines("tokens_evicted").back().find("call=prefetch") != std::string::npos);
  CHECK(s.lines("tokens_evicted").back().find("lease=") == std::string::npos);
  auto lease = s.cache.prepare(s.batch({{1, 20}}), s.compute, {.label = 5}).value();
  CHECK(s.lines("user_hit") == words{"user_hit user=1 level=0 tokens=20 age=1 lease=3"});
  CHECK_FALSE(s.cache.prepare(s.batch({{3, 16}}), s.compute, {.label = 6}).has_value());
  CHECK(s.lines("pressure_met") == words{"pressure_met why=held label=6 pages_needed=4 pages_free=0 pages_evictable=3 "
                                         "pages_held=5"});
}

TEST_CASE("a log hears each event as a line; what its function throws is lost, and without one nothing happens")
{
  story s;
  event_log& log = s.cache.tracker().get<event_log>();
  words heard;
  log.use_sink([&heard](std::string_view line) { heard.emplace_back(line); });
  s.serve(1, 4, 2);
  CHECK(heard == [&] {
    words all;
    for (const event_record& e : s.cache.tracker().get<ring>().last()) all.push_back(to_string(e));
    all.erase(all.begin());  // that it was built
    return all;
  }());
  const std::size_t before = heard.size();
  log.use_sink([](std::string_view) { throw std::runtime_error("the disk is full"); });
  s.serve(2, 4, 3);
  log.use_sink({});
  s.serve(3, 4, 4);
  CHECK(heard.size() == before);
}
