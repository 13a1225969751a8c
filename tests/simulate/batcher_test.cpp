#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/batcher.hpp>
#include <kvstrata/simulate/candidates.hpp>
#include <kvstrata/simulate/request_stream.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

using namespace kvstrata;
using kvstrata_test::random_trace;
using kvstrata_test::says;

namespace {

/// Says of the stream, request by request, whether it begins a new batch: the definition, word by word.
std::vector<std::size_t> naive_beginnings(const std::vector<trace_request>& stream, const batcher_options& options)
{
  std::vector<std::size_t> begins;
  std::int64_t opened = 0;
  for (std::size_t k = 0; k < stream.size(); ++k) {
    const bool is_full = k != 0 && k - begins.back() == options.batch_size;
    const bool is_late = stream[k].time_ms - opened >= options.window_ms;
    if (k == 0 || is_full || is_late) {
      begins.push_back(k);
      opened = stream[k].time_ms;
    }
  }
  return begins;
}

}  // namespace

TEST_CASE("batches agree with a naive cut of random streams")
{
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    random_source random(seed);
    trace t = random_trace(seed, 1 + random.below(20), 40);
    t.requests = make_requests(t, {request_stream::interaction});
    const batcher_options options{1 + random.below(9), 1 + std::int64_t{random.below(random.below(2) ? 20 : 3000)}};
    const std::vector<std::size_t> begins = naive_beginnings(t.requests, options);
    const std::vector<trace_batch> batches = form_batches(t.requests, options);

    REQUIRE(batches.size() == begins.size());
    std::size_t answered = 0;
    std::map<std::uint32_t, token_count> served;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      const trace_batch& batch = batches[b];
      REQUIRE(batch.first == begins[b]);
      REQUIRE(batch.last == (b + 1 < begins.size() ? begins[b + 1] : t.requests.size()));

      std::vector<std::uint32_t> order;
      std::map<std::uint32_t, batched_request> expected;
      for (std::size_t k = batch.first; k < batch.last; ++k) {
        const trace_request& asked = t.requests[k];
        auto [mine, is_new] = expected.try_emplace(asked.user, batched_request{asked, 0});
        if (is_new) order.push_back(asked.user);
        mine->second.asked = asked;
        ++mine->second.answers;
      }
      REQUIRE(batch.requests.size() == order.size());
      for (std::size_t k = 0; k < order.size(); ++k) {
        const batched_request& entry = batch.requests[k];
        REQUIRE(entry == expected.at(order[k]));
        REQUIRE(entry.asked.history >= served[order[k]]);
        served[order[k]] = entry.asked.history;
        answered += entry.answers;
      }
      REQUIRE(batch.last - batch.first <= options.batch_size);
      REQUIRE(batch.merged() == batch.last - batch.first - order.size());
      const bool is_full = batch.last - batch.first == options.batch_size;
      REQUIRE(batch.closed_ms ==
              (is_full ? t.requests[batch.last - 1].time_ms : t.requests[batch.first].time_ms + options.window_ms));
      REQUIRE(batch.closed_ms >= t.requests[batch.last - 1].time_ms);
    }
    REQUIRE(answered == t.requests.size());
  }
}

TEST_CASE("one user's requests in a batch become the latest of them")
{
  const std::vector<trace_request> stream{{0, 1, 5}, {1, 2, 9}, {2, 1, 5}, {3, 1, 8}, {60'000, 1, 9}, {60'001, 3, 0}};
  const auto batches = form_batches(stream, {8, 60'000});
  REQUIRE(batches.size() == 2);
  CHECK(batches[0].requests == std::vector<batched_request>{{{3, 1, 8}, 3}, {{1, 2, 9}, 1}});
  CHECK(batches[0].merged() == 2);
  CHECK(batches[0].closed_ms == 60'000);
  CHECK(batches[1].requests == std::vector<batched_request>{{{60'000, 1, 9}, 1}, {{60'001, 3, 0}, 1}});
  CHECK(form_batches({}).empty());
}

TEST_CASE("a stream of fewer users than a batch holds is as many batches as another")
{
  std::vector<trace_request> stream;
  for (std::uint32_t k = 0; k < 100; ++k) stream.push_back({k, k % 3, k / 3});
  const auto batches = form_batches(stream, {.batch_size = 8, .window_ms = std::int64_t{1} << 40});
  REQUIRE(batches.size() == 13);
  for (const trace_batch& b : batches) CHECK(b.requests.size() == 3);
  CHECK(batches.front().merged() == 5);
}

TEST_CASE("a batcher refuses sizes of nothing and streams that go back, and stays where it was")
{
  const std::vector<trace_request> good{{0, 1, 5}};
  CHECK_THROWS_WITH(batcher(good, {0, 1}), "batcher_options.batch_size is 0, but it must be at least 1");
  CHECK_THROWS_WITH(batcher(good, {1, 0}), says("batcher_options.window_ms is 0"));

  constexpr std::int64_t earliest = (std::numeric_limits<std::int64_t>::min)();
  constexpr std::int64_t latest = (std::numeric_limits<std::int64_t>::max)();
  const std::vector<trace_request> ages{{earliest, 1, 5}, {-2, 2, 5}, {latest, 3, 5}};
  CHECK(form_batches(ages, {8, 1}).size() == 3);
  CHECK(form_batches(ages, {8, latest}).size() == 2);
  CHECK(form_batches(ages, {8, latest})[1].closed_ms == latest);

  const std::vector<trace_request> backwards{{0, 1, 5}, {9, 2, 5}, {8, 3, 5}};
  batcher cut(backwards, {1, 100});
  trace_batch batch;
  CHECK(cut.next(batch));
  CHECK(cut.next(batch));
  for (int again = 0; again < 2; ++again) {
    CHECK_THROWS_AS(cut.next(batch), usage_error);
    CHECK_THROWS_WITH(cut.next(batch), says("request 2 of the stream is at 8 ms"));
  }
  const std::vector<trace_request> shrinking{{0, 1, 5}, {9, 1, 4}};
  CHECK_THROWS_AS(form_batches(shrinking), history_error);
}

TEST_CASE("candidates are distinct, the same for a seed, and hold what was watched next")
{
  trace t = random_trace(8, 10, 80);
  t.requests = make_requests(t, {request_stream::interaction});
  REQUIRE(t.requests.size() > 20);
  for (const trace_request& asked : t.requests) {
    const std::vector<std::uint32_t> drawn = draw_candidates(t, asked, {20, 4, 1});
    REQUIRE(drawn.size() == 20);
    const std::set<std::uint32_t> distinct(drawn.begin(), drawn.end());
    REQUIRE(distinct.size() == 20);
    REQUIRE(*distinct.rbegin() < t.items);
    const auto next = t.events_of(asked.user).subspan(asked.history);
    for (std::size_t k = 0; k < next.size() && k < 4; ++k) REQUIRE(distinct.count(next[k].item) == 1);
    REQUIRE(draw_candidates(t, asked, {20, 4, 1}) == drawn);
  }
  CHECK(draw_candidates(t, t.requests[0], {20, 4, 1}) != draw_candidates(t, t.requests[0], {20, 4, 2}));
  CHECK(draw_candidates(t, t.requests[0], {0, 4, 1}).empty());
  CHECK(draw_candidates(t, t.requests[0], {900, 4, 1}).size() == t.items);
}

TEST_CASE("a popular item is a candidate more often")
{
  trace t;
  t.items = 100;
  t.users = {user_id{1}, user_id{2}};
  t.event_begin = {0, 1000, 1000};
  t.earlier = {0, 0};
  for (std::uint32_t k = 0; k < 1000; ++k) t.events.push_back({k, k % 2 == 0 ? 7 : k % 100, 0});
  std::vector<int> drawn(t.items);
  for (token_count k = 0; k < 500; ++k) {
    for (const std::uint32_t item : draw_candidates(t, {0, 0, 1000}, {5, 0, k})) ++drawn[item];
  }
  CHECK(drawn[7] > 450);
  CHECK(drawn[11] < 100);
  CHECK(drawn[12] == 0);
}
