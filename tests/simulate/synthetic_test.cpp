#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

using namespace kvstrata;
using kvstrata_test::says;

namespace {

constexpr double second = 1000;
constexpr double hour = 3600 * second;

double quantile(std::vector<double>& values, double p)
{
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
}

}  // namespace

TEST_CASE("random numbers follow their published algorithm and distribution")
{
  // Reference values of splitmix64 from seed 1234567 (Vigna's splitmix64.c).
  random_source random(1234567);
  CHECK(random.next() == 6457827717110365317ULL);
  CHECK(random.next() == 3203168211198807973ULL);
  CHECK(random.next() == 9817491932198370423ULL);

  CHECK(normal_quantile(0.5) == Approx(0).margin(1e-9));
  CHECK(normal_quantile(0.9) == Approx(1.2815515655).epsilon(1e-8));
  CHECK(normal_quantile(0.01) == Approx(-2.3263478740).epsilon(1e-8));
  CHECK(normal_quantile(0.999) == Approx(3.0902323062).epsilon(1e-8));

  const std::vector<double> drawn = stratified_uniforms(1000, 7);
  std::vector<int> strata(1000);
  for (const double part : drawn) ++strata[static_cast<std::size_t>(part * 1000)];
  CHECK(std::count(strata.begin(), strata.end(), 1) == 1000);
  CHECK_FALSE(std::is_sorted(drawn.begin(), drawn.end()));
  std::array<int, 6> faces{};
  for (int k = 0; k < 60'000; ++k) ++faces[random.below(6)];
  for (const int count : faces) CHECK(count == Approx(10'000).epsilon(0.05));
}

TEST_CASE("earlier histories have the published lengths of KuaiRand-1K")
{
  // Quantiles to 3 % (P99: 10 %) with the default thousand users, for any seed.
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const trace t = make_synthetic({.history_scale = 0.1, .seed = seed});
    std::vector<double> lengths;
    for (const token_count events : t.earlier) lengths.push_back(10.0 * events);
    CHECK(quantile(lengths, 0.10) == Approx(1'998).epsilon(0.03));
    CHECK(quantile(lengths, 0.25) == Approx(4'370).epsilon(0.03));
    CHECK(quantile(lengths, 0.50) == Approx(8'327).epsilon(0.03));
    CHECK(quantile(lengths, 0.75) == Approx(14'990).epsilon(0.03));
    CHECK(quantile(lengths, 0.90) == Approx(24'418).epsilon(0.03));
    CHECK(quantile(lengths, 0.99) == Approx(62'626).epsilon(0.10));
    CHECK(lengths.back() <= 127'560);
    const double mean = std::accumulate(lengths.begin(), lengths.end(), 0.0) / 1000;
    CHECK(mean == Approx(11'713).epsilon(0.05));
  }
}

TEST_CASE("requests have the published gaps, day cycle and skew of KuaiRand-Pure")
{
  const trace t = make_synthetic({.users = 20'000, .history_scale = 1e-3, .seed = 5});
  std::vector<double> gaps;
  std::vector<double> counts(t.user_count());
  std::vector<std::int64_t> last(t.user_count(), -1);
  std::array<double, 24> hours{};
  for (const trace_request& asked : t.requests) {
    if (last[asked.user] >= 0) gaps.push_back(static_cast<double>(asked.time_ms - last[asked.user]));
    last[asked.user] = asked.time_ms;
    ++counts[asked.user];
    ++hours[static_cast<std::size_t>((asked.time_ms / 3'600'000 + 8) % 24)];
  }
  CHECK(quantile(gaps, 0.10) == Approx(426 * second).epsilon(0.10));
  CHECK(quantile(gaps, 0.25) == Approx(58 * 60 * second).epsilon(0.10));
  CHECK(quantile(gaps, 0.50) == Approx(8.9 * hour).epsilon(0.10));
  CHECK(quantile(gaps, 0.75) == Approx(27 * hour).epsilon(0.10));
  CHECK(quantile(gaps, 0.90) == Approx(66 * hour).epsilon(0.10));
  const auto close = std::count_if(gaps.begin(), gaps.end(), [](double gap) { return gap <= 30 * 60 * second; });
  CHECK(static_cast<double>(close) / static_cast<double>(gaps.size()) == Approx(0.19).margin(0.01));

  CHECK(hours[22] / hours[4] == Approx(14'633.0 / 1'790).epsilon(0.10));
  CHECK(std::min_element(hours.begin(), hours.end()) - hours.begin() == 4);
  CHECK(std::max_element(hours.begin(), hours.end()) - hours.begin() == 22);

  counts.erase(std::remove(counts.begin(), counts.end(), 0.0), counts.end());
  std::sort(counts.rbegin(), counts.rend());
  const auto tenth = static_cast<std::ptrdiff_t>(counts.size() / 10);
  const double top = std::accumulate(counts.begin(), counts.begin() + tenth, 0.0);
  CHECK(top / static_cast<double>(t.requests.size()) == Approx(0.32).margin(0.01));
  CHECK(static_cast<double>(t.requests.size()) / static_cast<double>(counts.size()) == Approx(9.08).epsilon(0.10));
}

TEST_CASE("histories grow by the published number of events a day")
{
  const trace t = make_synthetic({.days = 31, .history_scale = 0.5});
  CHECK_NOTHROW(check(t));
  std::vector<trace_request> first(t.user_count()), last(t.user_count());
  for (const trace_request& asked : t.requests) {
    if (first[asked.user].time_ms == 0) first[asked.user] = asked;
    last[asked.user] = asked;
  }
  double events = 0;
  double days = 0;
  double expected = 0;
  for (std::uint32_t u = 0; u < t.user_count(); ++u) {
    const double between = static_cast<double>(last[u].time_ms - first[u].time_ms) / (24 * hour);
    events += last[u].history - first[u].history;
    expected += between * t.earlier[u] / 31;
    days += between;
  }
  CHECK(events == Approx(expected).epsilon(0.02));
  CHECK(2 * events / days == Approx(378).epsilon(0.15));  // per day that a user was there; frequent users have more
}

TEST_CASE("items are skewed and feedback has the published shares")
{
  const trace t = make_synthetic({.users = 200, .history_scale = 0.1, .items = 5000});
  std::array<double, 8> shares{};
  std::vector<double> items(t.items);
  for (const trace_event& e : t.events) {
    for (std::size_t bit = 0; bit < shares.size(); ++bit) shares[bit] += (e.action >> bit) & 1U;
    ++items[e.item];
  }
  const auto total = static_cast<double>(t.events.size());
  CHECK(shares[0] / total == Approx(0.442).margin(0.01));
  CHECK(shares[6] / total == Approx(0.311).margin(0.01));
  CHECK(shares[1] / total == Approx(0.017).margin(0.002));
  for (const std::size_t rare : {2U, 3U, 4U, 5U}) CHECK(shares[rare] / total == Approx(0.0015).margin(0.0015));
  CHECK(shares[7] == 0);
  CHECK(std::accumulate(items.begin(), items.begin() + 50, 0.0) / total == Approx(0.215).margin(0.02));  // cbrt(1 %)
}

TEST_CASE("the seed decides, a smaller number of requests is the beginning of a larger one")
{
  const trace all = make_synthetic({.users = 30, .history_scale = 0.05, .seed = 3});
  CHECK(make_synthetic({.users = 30, .history_scale = 0.05, .seed = 3}).events == all.events);
  CHECK(make_synthetic({.users = 30, .history_scale = 0.05, .seed = 4}).requests != all.requests);

  const trace some = make_synthetic({.users = 30, .requests = 100, .history_scale = 0.05, .seed = 3});
  REQUIRE(some.requests.size() == 100);
  CHECK(std::equal(some.requests.begin(), some.requests.end(), all.requests.begin()));
  for (const trace_request& asked : some.requests) {
    const auto left = some.history(asked);
    const auto right = all.history(asked);
    REQUIRE(std::equal(left.begin(), left.end(), right.begin(), right.end()));
  }
  CHECK(make_synthetic({.users = 30, .requests = 1'000'000, .history_scale = 0.05, .seed = 3}).requests ==
        all.requests);

  // A digest, so that another compiler or machine that draws otherwise is noticed.
  std::uint64_t digest = 0;
  for (const trace_event& e : all.events) {
    digest = scatter_bits(digest ^ static_cast<std::uint64_t>(e.time_ms)) + ((std::uint64_t{e.item} << 8) | e.action);
  }
  for (const trace_request& r : all.requests) {
    digest = scatter_bits(digest ^ static_cast<std::uint64_t>(r.time_ms)) + ((std::uint64_t{r.user} << 32) | r.history);
  }
  CHECK(digest == 1928073334880391583ULL);
}

TEST_CASE("a workload that cannot be is refused with field, value and limit")
{
  CHECK_THROWS_WITH(make_synthetic({.users = 0}), "synthetic_config.users is 0, but it must be at least 1");
  CHECK_THROWS_WITH(make_synthetic({.items = 0}), "synthetic_config.items is 0, but it must be at least 1");
  CHECK_THROWS_WITH(make_synthetic({.days = 0}), says("synthetic_config.days is 0"));
  CHECK_THROWS_AS(make_synthetic({.days = -2}), config_error);
  CHECK_THROWS_AS(make_synthetic({.days = 1e9}), config_error);
  CHECK_THROWS_AS(make_synthetic({.users = 200'000'000}), config_error);
}
