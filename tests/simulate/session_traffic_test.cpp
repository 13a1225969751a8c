// Traffic in sessions has the rates, lengths and hours that it was asked for; last requests, intervals of means, and policies
// that are chosen at run time.
#include <kvstrata/simulate/session_traffic.hpp>

#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/replacement.hpp>
#include <kvstrata/simulate/any_replacement.hpp>
#include <kvstrata/simulate/mean_interval.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/warm_start.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

using namespace kvstrata;

TEST_CASE("session traffic comes as often as asked, by the hour, in sessions", "[simulate][sessions]")
{
  const session_config config{.users = 2000, .requests_a_day = 20, .session_requests = 5, .gap_seconds = 20};
  session_traffic traffic(config);
  std::map<user_id, double> before;
  std::map<user_id, token_count> length;
  std::array<std::uint64_t, 24> hours{};
  std::uint64_t requests = 0;
  std::uint64_t near = 0;  // the same user's last request was less than 4 minutes ago
  double latest = 0;
  for (arrival one = traffic.next(); one.seconds < 2 * 86400; one = traffic.next()) {
    REQUIRE(one.seconds >= latest);
    latest = one.seconds;
    ++requests;
    ++hours[static_cast<std::size_t>(one.seconds / 3600) % 24];
    const auto found = before.find(one.asked.user);
    if (found != before.end() && one.seconds - found->second < 240) ++near;
    before[one.asked.user] = one.seconds;
    REQUIRE(one.asked.history_tokens >= length[one.asked.user]);
    REQUIRE(one.asked.history_tokens <= config.longest);
    length[one.asked.user] = one.asked.history_tokens;
  }
  CHECK(static_cast<double>(requests) == Approx(2 * 2000 * 20).epsilon(0.03));
  // Of five requests of a session four follow another; a gap above 240 s is one in e^12.
  CHECK(static_cast<double>(near) / static_cast<double>(requests) == Approx(0.8).margin(0.02));
  CHECK(static_cast<double>(hours[22]) / static_cast<double>(hours[4]) == Approx(14633.0 / 1790).epsilon(0.2));
  CHECK(before.size() > 1900);
}

TEST_CASE("session traffic is the same for a seed, begins at any hour and scales histories", "[simulate][sessions]")
{
  const session_config config{.users = 300, .longest = 1'000'000};
  const auto draw = [](session_config c, std::size_t count) {
    session_traffic traffic(c);
    std::vector<arrival> out;
    while (out.size() < count) out.push_back(traffic.next());
    return out;
  };
  const auto one = draw(config, 500), again = draw(config, 500);
  session_config other = config;
  other.seed = 2;
  const auto different = draw(other, 500);
  session_config scaled = config;
  scaled.history_scale = 0.5;
  const auto half = draw(scaled, 500);
  bool all_same = true;
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].seconds == again[i].seconds);
    CHECK(one[i].asked.user == again[i].asked.user);
    CHECK(half[i].asked.user == one[i].asked.user);
    CHECK(half[i].asked.history_tokens == Approx(0.5 * one[i].asked.history_tokens).margin(2));
    all_same = all_same && one[i].seconds == different[i].seconds;
  }
  CHECK_FALSE(all_same);
  // At 22 h there are eight times as many as at 4 h.
  session_config night = config, evening = config;
  night.from_hour = 4;
  evening.from_hour = 22;
  CHECK(draw(night, 100).back().seconds > 4 * draw(evening, 100).back().seconds);

  const auto refused = [&](auto change) {
    session_config c = config;
    change(c);
    CHECK_THROWS_AS(session_traffic(c), config_error);
  };
  refused([](session_config& c) { c.users = 0; });
  refused([](session_config& c) { c.session_requests = 0.5; });
  refused([](session_config& c) { c.gap_seconds = -1; });
  refused([](session_config& c) { c.requests_a_day = std::nan(""); });
  refused([](session_config& c) { c.longest = 0; });
}

TEST_CASE("the youngest last requests are those that LRU is left with", "[simulate][sessions]")
{
  const auto asks = [](std::uint64_t user, token_count tokens) {
    return request{.user = user_id{user}, .history_tokens = tokens};
  };
  last_requests last;
  for (const request& one : {asks(1, 10), asks(2, 20), asks(3, 5), asks(1, 12), asks(4, 7)}) last.add(one);
  CHECK(last.users() == 4);
  const auto users = [](const std::vector<request>& all) {
    std::vector<std::pair<std::uint64_t, token_count>> out;
    for (const request& one : all) out.emplace_back(to_number(one.user), one.history_tokens);
    return out;
  };
  using pairs = std::vector<std::pair<std::uint64_t, token_count>>;
  CHECK(users(last.youngest(1000)) == pairs{{2, 20}, {3, 5}, {1, 12}, {4, 7}});
  CHECK(users(last.youngest(20)) == pairs{{3, 5}, {1, 12}, {4, 7}});
  CHECK(users(last.youngest(19)) == pairs{{1, 12}, {4, 7}});
  CHECK(users(last.youngest(0)).empty());
}

TEST_CASE("a mean's interval is Student's", "[simulate]")
{
  // 1, 2, 3, 4, 5: s = sqrt(2.5), t(4) = 2.776.
  const std::vector<double> runs{1, 2, 3, 4, 5};
  const mean_interval five = interval_of(runs);
  CHECK(five.mean == Approx(3));
  CHECK(five.half == Approx(2.776 * std::sqrt(2.5 / 5)));
  CHECK(interval_of(std::vector<double>{7}).mean == 7);
  CHECK(interval_of(std::vector<double>{7}).half == 0);
  CHECK(interval_of({}).mean == 0);
  CHECK(student_t_95(1) == Approx(12.706));
  CHECK(student_t_95(40) == Approx(2.021).margin(0.002));
  CHECK(student_t_95(120) == Approx(1.980).margin(0.002));
}

namespace {

template <class Policy>
struct wrapped : any_replacement
{
  explicit wrapped(const tier_size& size) : any_replacement(any_replacement::of<Policy>(size)) {}
};
static_assert(replacement_policy<wrapped<lru>>);

template <class Policy>
void takes_the_same()
{
  const tier_size size{.bytes = 40, .objects = 40};
  object_cache<Policy> itself(size);
  object_cache<wrapped<Policy>> inside(size);
  random_source random(9);
  std::uint64_t hits = 0;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const double part = random.uniform();
    const trace_access asked{.key = static_cast<std::uint64_t>(300 * part * part * part), .time_ms = i};
    const access_outcome expected = itself.request(asked);
    REQUIRE(inside.request(asked) == expected);
    hits += expected == access_outcome::hit ? 1 : 0;
  }
  CHECK(hits > 5'000);
  CHECK(hits < 19'000);
}

}  // namespace

TEST_CASE("a policy that is chosen at run time takes the same victims", "[simulate][policies]")
{
  takes_the_same<lru>();
  takes_the_same<kvstrata::clock_sweep>();
  takes_the_same<s3_fifo>();
  takes_the_same<lirs>();
  takes_the_same<gdsf>();
}
