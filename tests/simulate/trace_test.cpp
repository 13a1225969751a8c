#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_builder.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

using namespace kvstrata;
using kvstrata_test::random_trace;
using kvstrata_test::says;

namespace {

trace two_users()
{
  trace t;
  t.items = 4;
  t.users = {user_id{7}, user_id{9}};
  t.event_begin = {0, 2, 5};
  t.earlier = {1, 0};
  t.events = {{10, 0, 1}, {20, 1, 0}, {5, 2, 0}, {15, 3, 0}, {15, 0, 255}};
  t.requests = {{5, 1, 0}, {20, 0, 1}, {30, 1, 3}};
  return t;
}

}  // namespace

TEST_CASE("a request's history is a prefix of its user's events")
{
  const trace t = two_users();
  CHECK_NOTHROW(check(t));
  CHECK(t.user_count() == 2);
  CHECK(t.events_of(1).size() == 3);
  CHECK(t.history(t.requests[0]).empty());
  REQUIRE(t.history(t.requests[1]).size() == 1);
  CHECK(t.history(t.requests[1])[0] == trace_event{10, 0, 1});
  CHECK(t.history(t.requests[2]).data() == t.events_of(1).data());
}

TEST_CASE("an inconsistent trace is refused with the place")
{
  trace t = two_users();
  const auto refused = [&t](const char* reason) {
    CHECK_THROWS_AS(check(t), data_error);
    CHECK_THROWS_WITH(check(t), says(reason));
  };
  SECTION("users") { t.earlier.pop_back(), refused("disagree on the number of users"); }
  SECTION("events past the end") { t.event_begin.back() = 6, refused("disagree"); }
  SECTION("overlap") { t.event_begin = {0, 6, 5}, refused("overlap of user index 1"); }
  SECTION("earlier") { t.earlier[1] = 4, refused("longer than all events of user index 1"); }
  SECTION("event order") { t.events[1].time_ms = 9, refused("backwards in the events of user index 0"); }
  SECTION("item") { t.events[4].item = 4, refused("vocabulary in the events of user index 1"); }
  SECTION("action") { t.events[4].action = 256, refused("action code"); }
  SECTION("request order") { t.requests[1].time_ms = 31, refused("backwards at request 2"); }
  SECTION("user") { t.requests[1].user = 2, refused("no such user at request 1"); }
  SECTION("too long") { t.requests[2].history = 4, refused("longer than the user's events at request 2"); }
  SECTION("future") { t.requests[1].history = 2, t.requests[1].time_ms = 19, refused("of the future at request 1"); }
  SECTION("shrinks") { t.requests.push_back({40, 1, 2}), refused("shrank at request 3"); }
}

TEST_CASE("request streams agree with a plain reading of their definition")
{
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    trace t = random_trace(seed);
    for (const auto stream : {request_stream::interaction, request_stream::session, request_stream::window}) {
      const request_options options{stream, 30, 50};
      std::multiset<std::tuple<std::int64_t, std::uint32_t, token_count>> expected;
      for (std::uint32_t u = 0; u < t.user_count(); ++u) {
        std::optional<std::int64_t> last;
        for (token_count k = 0; k < t.events_of(u).size(); ++k) {
          if (k < t.earlier[u]) continue;
          const std::int64_t now = t.events_of(u)[k].time_ms;
          bool asks = !last || stream == request_stream::interaction;
          if (last && stream == request_stream::session) asks = now - *last > 30;
          if (last && stream == request_stream::window) asks = now / 50 > *last / 50;
          if (asks) expected.insert({now, u, k});
          last = now;
        }
      }
      t.requests = make_requests(t, options);
      CHECK_NOTHROW(check(t));
      REQUIRE(t.requests.size() == expected.size());
      auto it = expected.begin();
      for (const trace_request& asked : t.requests) {
        REQUIRE(std::tuple(asked.time_ms, asked.user, asked.history) == *it++);
      }
    }
  }
}

TEST_CASE("a silence of exactly the limit does not end a session")
{
  trace t;
  t.items = 1;
  t.users = {user_id{1}};
  t.event_begin = {0, 3};
  t.earlier = {0};
  t.events = {{0, 0, 0}, {1'800'000, 0, 0}, {3'600'001, 0, 0}};
  CHECK(make_requests(t) == std::vector<trace_request>{{0, 0, 0}, {3'600'001, 0, 2}});
  CHECK_THROWS_WITH(make_requests(t, {request_stream::session, 0, 1}), says("silence_ms is 0"));
  CHECK_THROWS_AS(make_requests(t, {request_stream::window, 1, -5}), config_error);
  CHECK(name_of(request_stream::session) == "session");
}

TEST_CASE("the builder makes histories of rows in any order")
{
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    random_source random(seed);
    struct row
    {
      std::uint64_t user, item;
      std::int64_t time;
      bool is_earlier;
    };
    std::vector<row> rows;
    trace_builder builder;
    for (int k = 0; k < 200; ++k) {
      rows.push_back({std::uint64_t{random.below(9)} << 40, std::uint64_t{random.below(30)} << 35,
                      100 + std::int64_t{random.below(50)}, false});
      builder.add(rows.back().user, rows.back().time, rows.back().item, 3);
    }
    for (int k = 0; k < 60; ++k) {
      const row made{std::uint64_t{random.below(12)} << 40, std::uint64_t{random.below(40)} << 35,
                     std::int64_t{random.below(80)}, true};
      if (const auto known = builder.find_user(made.user)) {
        builder.add_earlier(*known, made.time, builder.number_item(made.item), action::unknown);
        rows.push_back(made);
      }
    }
    std::stable_sort(rows.begin(), rows.end(), [](const row& a, const row& b) {
      return a.is_earlier != b.is_earlier ? a.is_earlier : a.time < b.time;
    });
    const std::int64_t from = seed % 2 == 0 ? 120 : 0;
    const trace t = builder.finish("made", from);
    CHECK_NOTHROW(check(t));
    CHECK(builder.size() == 0);
    std::size_t seen = 0;
    std::map<std::uint32_t, std::uint64_t> item_of;
    for (std::uint32_t u = 0; u < t.user_count(); ++u) {
      std::vector<row> mine;
      for (const row& r : rows) {
        if (user_id{r.user} == t.users[u]) mine.push_back(r);
      }
      REQUIRE(mine.size() == t.events_of(u).size());
      token_count earlier = 0;
      for (std::size_t k = 0; k < mine.size(); ++k) {
        const trace_event& e = t.events_of(u)[k];
        REQUIRE(e.time_ms == mine[k].time);
        REQUIRE(item_of.try_emplace(e.item, mine[k].item).first->second == mine[k].item);
        REQUIRE(e.action == (mine[k].is_earlier ? action::unknown : 3));
        earlier += mine[k].is_earlier || mine[k].time < from;
      }
      REQUIRE(t.earlier[u] == earlier);
      seen += mine.size();
    }
    CHECK(seen == rows.size());
    CHECK(item_of.size() == t.items);
  }
}
