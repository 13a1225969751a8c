#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/history_scale.hpp>
#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <map>
#include <set>

using namespace kvstrata;
using kvstrata_test::random_trace;
using kvstrata_test::says;

namespace {

bool is_prefix(std::span<const trace_event> shorter, std::span<const trace_event> longer)
{
  return shorter.size() <= longer.size() && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

/// Copies what each request sees and compares with what the user's next request sees.
void require_append_only(const trace& t)
{
  std::map<std::uint32_t, std::vector<trace_event>> seen;
  for (const trace_request& asked : t.requests) {
    const auto now = t.history(asked);
    REQUIRE(is_prefix(seen[asked.user], now));
    seen[asked.user].assign(now.begin(), now.end());
  }
}

}  // namespace

TEST_CASE("a scaled trace has scaled lengths and still only appends")
{
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    trace whole = random_trace(seed);
    whole.requests = make_requests(whole, {request_stream::interaction});
    for (const double scale : {0.01, 0.37, 0.5, 1.0, 1.5, 2.0, 7.3}) {
      const trace scaled = scale_history(whole, scale, seed);
      CHECK_NOTHROW(check(scaled));
      require_append_only(scaled);
      REQUIRE(scaled.requests.size() == whole.requests.size());
      for (std::size_t r = 0; r < whole.requests.size(); ++r) {
        const trace_request& before = whole.requests[r];
        const trace_request& after = scaled.requests[r];
        REQUIRE((after.user == before.user && after.time_ms == before.time_ms));
        REQUIRE(after.history == static_cast<token_count>(before.history * scale + 0.5));
      }
      for (std::uint32_t u = 0; u < whole.user_count(); ++u) {
        REQUIRE(scaled.earlier[u] == static_cast<token_count>(whole.earlier[u] * scale + 0.5));
        // Every event is one of the user's own up to its time.
        std::set<std::pair<std::uint32_t, std::uint32_t>> own;
        std::size_t known = 0;
        for (const trace_event& e : scaled.events_of(u)) {
          for (; known < whole.events_of(u).size() && whole.events_of(u)[known].time_ms <= e.time_ms; ++known) {
            own.insert({whole.events_of(u)[known].item, whole.events_of(u)[known].action});
          }
          REQUIRE(own.count({e.item, e.action}) == 1);
        }
      }
    }
  }
}

TEST_CASE("scale 1 changes nothing, a whole scale keeps every event, and the seed decides the rest")
{
  trace whole = random_trace(3);
  whole.requests = make_requests(whole);
  const trace same = scale_history(whole, 1);
  CHECK(same.events == whole.events);
  CHECK(same.requests == whole.requests);
  CHECK(same.event_begin == whole.event_begin);

  const trace tripled = scale_history(whole, 3, 1);
  REQUIRE(tripled.events.size() == 3 * whole.events.size());
  for (std::size_t k = 0; k < whole.events.size(); ++k) REQUIRE(tripled.events[3 * k] == whole.events[k]);
  CHECK(scale_history(whole, 3, 1).events == tripled.events);
  CHECK(scale_history(whole, 3, 2).events != tripled.events);
}

TEST_CASE("a scale that no history can have is refused")
{
  const trace whole = random_trace(1);
  for (const double scale : {0.0, -1.0, 1001.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(scale_history(whole, scale), config_error);
    CHECK_THROWS_WITH(make_synthetic({.history_scale = scale}), says("history_scale"));
  }
  CHECK_THROWS_WITH(make_synthetic({.history_scale = 999}), says("may be at most 1073741824"));
}

TEST_CASE("the synthetic workload only appends at any scale, and who asks when does not depend on it")
{
  const trace whole = make_synthetic({.users = 40, .days = 20, .history_scale = 1});
  for (const double scale : {0.001, 0.02, 1.0, 1.7}) {
    const trace scaled = make_synthetic({.users = 40, .days = 20, .history_scale = scale});
    CHECK_NOTHROW(check(scaled));
    require_append_only(scaled);
    REQUIRE(scaled.requests.size() == whole.requests.size());
    for (std::size_t r = 0; r < whole.requests.size(); ++r) {
      REQUIRE(scaled.requests[r].time_ms == whole.requests[r].time_ms);
      REQUIRE(scaled.requests[r].user == whole.requests[r].user);
      REQUIRE(scaled.requests[r].history == scaled_length(whole.requests[r].history, scale));
    }
  }
}
