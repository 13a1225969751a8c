#include "sources.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/trace_remarks.hpp>

#include <algorithm>
#include <string>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

footprint of(const accesses& all, std::size_t most_keys = std::size_t{1} << 20)
{
  footprint_counter counter(most_keys);
  for (const trace_access& one : all) counter.add(one);
  return counter.result();
}

accesses at(const std::vector<std::int64_t>& times)
{
  accesses all;
  for (const std::int64_t time_ms : times) all.push_back({.key = all.size(), .time_ms = time_ms});
  return all;
}

bool says_one(const std::vector<std::string>& all, const std::string& part)
{
  return std::count_if(all.begin(), all.end(),
                       [&part](const std::string& one) { return one.find(part) != std::string::npos; }) == 1;
}

accesses random_keys(std::uint64_t seed, std::uint32_t keys)
{
  random_source random(seed);
  accesses all(3000);
  for (trace_access& one : all) one.key = random.below(keys);
  fill_next_requests(all);
  return all;
}

}  // namespace

TEST_CASE("what a trace says of next requests is held against what comes")
{
  for (const std::uint32_t keys : {1U, 30U, 5000U}) {
    accesses all = random_keys(keys, keys);
    CHECK(of(all).tells_future);
    CHECK(of(all).wrong_next == 0);

    accesses wrong = all;  // one that comes, told to come elsewhere, later, earlier or never
    const auto at =
        static_cast<std::size_t>(std::find_if(wrong.begin() + 100, wrong.end(),
                                              [](const trace_access& one) { return one.next_request < 3000; }) -
                                 wrong.begin());
    const std::uint64_t right = wrong[at].next_request;
    for (const std::uint64_t told : {right + 1, right - 1, std::uint64_t{5000}, reuse_hint::never}) {
      wrong[at].next_request = told;
      CHECK_FALSE(of(wrong).tells_future);
      CHECK(of(wrong).wrong_next != 0);
    }
    wrong[at].next_request = reuse_hint::unknown;
    CHECK_FALSE(of(wrong).tells_future);
    CHECK(of(wrong).wrong_next == 0);

    // A trace that goes on behind this one knows what comes there: no fault, and no matter.
    const accesses front(all.begin(), all.begin() + 2000);
    CHECK(of(front).tells_future);
    // One out of the middle counts from elsewhere.
    const accesses middle(all.begin() + 1, all.end());
    if (keys == 30) CHECK_FALSE(of(middle).tells_future);
  }
  accesses one{{.key = 1, .next_request = 1}, {.key = 2, .next_request = reuse_hint::never}};
  CHECK(of(one).wrong_next == 2);  // it was told to come there, and did not
  CHECK(says_one(trace_remarks(of(one), {}), "is wrong at request 2"));
}

TEST_CASE("sizes that change are counted")
{
  const footprint f = of({{.key = 1, .bytes = 5},
                          {.key = 2, .bytes = 5},
                          {.key = 1, .bytes = 7},
                          {.key = 1, .bytes = 7},
                          {.key = 1, .bytes = 5}});
  CHECK(f.resized == 2);
  CHECK(f.bytes == 12);
  CHECK(says_one(trace_remarks(f, {}), "2 requests tell another size"));
  CHECK(of(random_keys(1, 10)).resized == 0);
}

TEST_CASE("times that go back, and ones far from all others, are counted")
{
  CHECK(of(at({5, 5, 9, 8, 10, 3, 11})).backward == 2);
  CHECK(of(at({5, 5, 9, 8, 10, 3, 11})).first_ms == 3);
  CHECK(of(at({5, 5, 9, 8, 10, 3, 11})).span_ms == 8);

  std::vector<std::int64_t> times(1000);
  for (std::size_t k = 0; k < times.size(); ++k) times[k] = 1'650'000'000'000 + static_cast<std::int64_t>(k) * 1000;
  CHECK(of(at(times)).stray == 0);
  times[500] = 0;
  times[501] = 17;
  CHECK(of(at(times)).stray == 2);
  CHECK(of(at(times)).backward == 1);
  CHECK(says_one(trace_remarks(of(at(times)), {}), "2 times lie far from all others"));
  times[0] = 0;  // in front, and in order
  CHECK(of(at(times)).stray == 3);
  times[0] = times[1];
  times[500] = times[501] = 1'650'000'000'500;
  times[700] = 1'650'000'000'000'000;  // in microseconds
  CHECK(of(at(times)).stray == 1);
  std::vector<std::int64_t> from_zero(1000);
  for (std::size_t k = 0; k < from_zero.size(); ++k) from_zero[k] = static_cast<std::int64_t>(k) * 60'000;
  CHECK(of(at(from_zero)).stray == 0);
  for (const std::int64_t same : {std::int64_t{0}, std::int64_t{7}}) {
    CHECK(of(at(std::vector<std::int64_t>(1000, same))).stray == 0);
  }
  CHECK(of({}).stray == 0);
}

TEST_CASE("a unit that cannot be is noticed")
{
  const auto two_weeks = [](double unit, std::string_view name) {
    std::vector<std::int64_t> times;
    for (int k = 0; k <= 14; ++k) times.push_back(static_cast<std::int64_t>(unit * (1'650'900'000 + k * 86'400)));
    return unit_doubt(of(at(times)), {.time_unit = name});
  };
  CHECK(
      two_weeks(1, "ms") ==
      "Its times are read as ms and span 20.2 minutes in early 1970; in units a thousand times as long they would span "
      "14.0 days in this century. Seconds are said by --time-unit s.");
  CHECK(two_weeks(1000, "ms").empty());
  CHECK(two_weeks(1e6, "s").find("in units a thousand times as short they would span 14.0 days") != std::string::npos);
  CHECK(two_weeks(1e9, "s").find("in units a million times as short they would span 14.0 days") != std::string::npos);
  CHECK(unit_doubt(of(at({0, 1'500'000'000})), {}).empty());  // from its own beginning
  CHECK(unit_doubt(of(at({0, 0})), {}).empty());
}

TEST_CASE("span, order and unit of a trace's times are said")
{
  CHECK(times_text(of(at({0, 0})), {}) == "no times");
  CHECK(times_text(of(at({1'650'816'000'000, 1'652'025'540'000})), {.time_unit = "ms"}) ==
        "14.0 days (2022-04-24 16:00 to 2022-05-08 15:59 UTC), times read as ms, in order");
  CHECK(times_text(of(at({0, 5000, 4000})), {.time_unit = "s"}) ==
        "5.0 seconds, times read as s, 1 request lies before the one in front");
  CHECK(span_text(1500) == "1500 ms");
  CHECK(span_text(6 * 3'600'000) == "6.0 hours");
}

TEST_CASE("what a reader left out is said")
{
  const footprint f = of(at({1, 2}));
  CHECK(trace_remarks(f, {}).empty());
  CHECK(says_one(trace_remarks(f, {.zero_sized = 1}), "1 request has size 0: left out"));
  CHECK(says_one(trace_remarks(f, {.zero_sized = 1200, .zero_served = true}), "1,200 requests have size 0: served"));
  CHECK(says_one(trace_remarks(f, {.writes = 3}), "3 operations are writes or others"));
  CHECK(says_one(trace_remarks(f, {.repeated = 3}), "that adds 3 requests"));
  CHECK(says_one(trace_remarks(f, {.untimed = 3}), "3 lines have no time"));
  CHECK(says_one(trace_remarks(f, {.duplicates = 5877}), "5,877 rows of the log repeat another"));
  CHECK(says_one(trace_remarks(f, {.cut = "x:3: why"}),
                 "WARNING: the trace is cut short, and what is whole of it was read: x:3: why."));
}
