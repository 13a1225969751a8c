// A synthetic workload with the published shape of KuaiRand, for where no trace is given.
//
// what                comes from
// ------------------- ------------------------------------------------------------------------------------------------
// earlier histories   events per user of KuaiRand-1K: P10 1,998, P25 4,370, P50 8,327, P75 14,990, P90 24,418,
//                     P99 62,626, at most 127,557; log-linear in the normal score between these: a bent lognormal
// growth              the same: a user's length over 31 days, 378 events a day on average
// gaps of requests    events of KuaiRand-Pure, 25 April to 8 May 2022: P10 426 s, P25 58 min, median 8.9 h, P75 27 h,
//                     P90 66 h, 19 % within 30 min
// activity of users   the same: the top 10 % make 32 % of the requests; long histories tend to be active users'
// day cycle           the same: events by hour (UTC+8), from 1,790 at 4 h to 14,633 at 22 h
// feedback            the same: 44 % clicks, 31 % long views, 1.7 % likes, ...
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/history_scale.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct synthetic_config
{
  std::uint32_t users = 1000;
  double days = 14;            ///< trace time, from 22 April 2022, 00:00 UTC+8; 14 days give about 9 requests a user
  std::uint64_t requests = 0;  ///< the trace ends with this one when the days hold so many; 0 for all of them
  double history_scale = 1;    ///< times every history length, earlier and later
  std::uint32_t items = 100'000;
  std::uint64_t seed = 1;
};

/// Throws config_error.
inline void check(const synthetic_config& config)
{
  const auto within = [](std::string_view field, std::uint64_t value, std::uint64_t most) {
    if (value == 0) throw config_error(field, value, "it must be at least 1");
    if (value > most) throw config_error(field, value, "it may be at most " + std::to_string(most));
  };
  within("synthetic_config.users", config.users, 100'000'000);
  within("synthetic_config.items", config.items, 0xffffffffU);
  if (!(config.days > 0) || !(config.days <= 3650)) {
    throw config_error("synthetic_config.days", std::to_string(config.days), "it must be above 0 and at most 3650");
  }
  check_history_scale(config.history_scale);
}

namespace detail {

struct quantile_knot
{
  double score;  ///< of the standard normal distribution
  double value;
};

/// The value at a normal score: log-linear between the knots, flat beyond them.
template <std::size_t Count>
[[nodiscard]] double value_at(const std::array<quantile_knot, Count>& knots, double score)
{
  if (score <= knots.front().score) return knots.front().value;
  for (std::size_t k = 1; k < Count; ++k) {
    if (score > knots[k].score) continue;
    const double part = (score - knots[k - 1].score) / (knots[k].score - knots[k - 1].score);
    return knots[k - 1].value * std::pow(knots[k].value / knots[k - 1].value, part);
  }
  return knots.back().value;
}

// Normal scores: P1 -2.326, P5 -1.645, P10 -1.282, P25 -0.674, P75 0.674, P90 1.282, P99 2.326, P99.9 3.090.
inline constexpr std::array<quantile_knot, 8> synthetic_lengths{{{-3.090, 300},
                                                                 {-1.282, 1998},
                                                                 {-0.674, 4370},
                                                                 {0.0, 8327},
                                                                 {0.674, 14990},
                                                                 {1.282, 24418},
                                                                 {2.326, 62626},
                                                                 {3.090, 127557}}};

inline constexpr double synthetic_length_days = 31;

// Gaps of a user of average activity, in ms of a day without cycle. Fitted so that with the spread of activity below,
// the day cycle and a trace of 14 days, the gaps of all users together have the published quantiles.
inline constexpr double synthetic_activity_spread = 0.793;  // standard deviation of the logarithm
inline constexpr std::array<quantile_knot, 9> synthetic_gaps{{{-2.326, 9e3},
                                                              {-1.645, 229e3},
                                                              {-1.282, 1698e3},
                                                              {-0.878, 4468e3},
                                                              {-0.674, 11065e3},
                                                              {0.0, 140873e3},
                                                              {0.674, 145330e3},
                                                              {1.282, 861858e3},
                                                              {2.326, 861859e3}}};

/// How a user's activity goes with the length of the history: the correlation of their normal scores.
inline constexpr double synthetic_length_activity = 0.5;

// Requests come at a rate that goes with the hour; a clock that runs at that rate sees them evenly.
inline constexpr std::array<double, 24> synthetic_hours{8336,  5200,  3373,  2153,  1790,  2239,  4047,  6064,
                                                        7708,  9174,  10492, 11767, 13378, 12758, 11592, 11972,
                                                        12725, 13687, 12827, 12489, 12893, 13840, 14633, 13192};
inline constexpr double synthetic_day_ms = 24 * 3600 * 1000.0;
inline constexpr std::int64_t synthetic_begin_ms = 1650556800000;  // 22 April 2022, 00:00 UTC+8

/// The wall clock's time, in ms since a midnight, at which the cycle's clock shows `cycle_ms`.
[[nodiscard]] inline double wall_ms(double cycle_ms)
{
  double sum = 0;
  for (const double events : synthetic_hours) sum += events;
  const double days = std::floor(cycle_ms / synthetic_day_ms);
  double left = (cycle_ms / synthetic_day_ms - days) * sum;
  std::size_t hour = 0;
  for (; hour < 23 && left >= synthetic_hours[hour]; ++hour) left -= synthetic_hours[hour];
  return days * synthetic_day_ms + (static_cast<double>(hour) + left / synthetic_hours[hour]) * 3600e3;
}

struct synthetic_user
{
  double length;    ///< events before the trace begins, unscaled
  double activity;  ///< requests, relative to the average user
};

[[nodiscard]] inline std::vector<synthetic_user> draw_users(const synthetic_config& config)
{
  const std::vector<double> lengths = stratified_uniforms(config.users, derive_seed(config.seed, 1));
  const std::vector<double> others = stratified_uniforms(config.users, derive_seed(config.seed, 2));
  std::vector<synthetic_user> drawn(config.users);
  for (std::size_t u = 0; u < drawn.size(); ++u) {
    const double score = normal_quantile(lengths[u]);
    const double own = std::sqrt(1 - synthetic_length_activity * synthetic_length_activity);
    const double activity_score = synthetic_length_activity * score + own * normal_quantile(others[u]);
    drawn[u] = {value_at(synthetic_lengths, score), std::exp(synthetic_activity_spread * activity_score)};
  }
  return drawn;
}

/// Appends the times of one user's requests and how long the unscaled history is by then. The process begins long
/// before the trace, so that the trace does not begin with everybody's gap.
template <class Append>
void draw_requests(const synthetic_user& user, double end_ms, random_source random, Append&& append)
{
  for (double cycle_ms = -(30 + 30 * random.uniform()) * synthetic_day_ms;;) {
    const double gap = value_at(synthetic_gaps, normal_quantile(random.uniform() * (1 - 0x1p-53) + 0x1p-54));
    cycle_ms += gap / user.activity;
    if (cycle_ms < 0) continue;
    const double at_ms = wall_ms(cycle_ms);
    if (at_ms >= end_ms) return;
    const double grown = user.length * (1 + cycle_ms / synthetic_day_ms / synthetic_length_days);
    append(synthetic_begin_ms + static_cast<std::int64_t>(at_ms), static_cast<std::uint64_t>(grown));
  }
}

/// Feedback with the published shares; long views are mostly of clicked items.
[[nodiscard]] inline std::uint32_t draw_action(std::uint64_t bits) noexcept
{
  const auto chance = [&bits](std::uint32_t of_65536) {
    const bool hit = (bits & 0xffffU) < of_65536;
    bits >>= 16;
    return hit;
  };
  std::uint32_t done = action::none;
  const bool clicked = chance(28961);
  if (clicked) done |= action::click;
  if (chance(clicked ? 46000 : 0)) done |= action::long_view;
  if (chance(1124)) done |= action::like;
  const auto rare = static_cast<std::uint32_t>(bits & 0xffffU);
  if (rare < 87) done |= action::follow;
  else if (rare < 253) done |= action::comment;
  else if (rare < 309) done |= action::forward;
  else if (rare < 364) done |= action::hate;
  return done;
}

/// Draws the events that the requests of `t` need, and a few more for candidates.
inline void draw_events(trace& t, const synthetic_config& config)
{
  constexpr std::int64_t apart_ms = 15'000;
  constexpr std::uint64_t past_last = 16;
  const std::size_t users = t.user_count();
  std::vector<std::vector<trace_request>> asked(users);
  for (const trace_request& request : t.requests) asked[request.user].push_back(request);
  t.event_begin.assign(1, 0);
  for (std::size_t u = 0; u < users; ++u) {
    const token_count last = asked[u].empty() ? t.earlier[u] : asked[u].back().history;
    t.event_begin.push_back(t.event_begin.back() + last + past_last);
  }
  check_event_total("synthetic_config.history_scale", config.history_scale, t.event_begin.back());

  t.events.reserve(t.event_begin.back());
  for (std::uint32_t u = 0; u < users; ++u) {
    random_source random(derive_seed(config.seed, (std::uint64_t{1} << 32) + u));
    const auto append = [&](std::int64_t time_ms) {
      const double part = random.uniform();
      const auto item = static_cast<std::uint32_t>(part * part * part * static_cast<double>(config.items));
      t.events.push_back({time_ms, item, draw_action(random.next())});
    };
    const double step_ms = synthetic_length_days * synthetic_day_ms / (t.earlier[u] + 1.0);
    for (token_count k = 0; k < t.earlier[u]; ++k) {
      append(synthetic_begin_ms - static_cast<std::int64_t>(step_ms * (t.earlier[u] - k)));
    }
    trace_request before{synthetic_begin_ms, u, t.earlier[u]};
    for (const trace_request& next : asked[u]) {
      const token_count grown = next.history - before.history;
      const std::int64_t apart = (std::min)(apart_ms, (next.time_ms - before.time_ms) / (std::int64_t{grown} + 1));
      for (token_count k = 1; k <= grown; ++k) append(before.time_ms + apart * k);
      before = next;
    }
    for (std::uint64_t k = 1; k <= past_last; ++k) append(before.time_ms + apart_ms * static_cast<std::int64_t>(k));
  }
}

}  // namespace detail

/// Who asks when, on histories of which length: the trace that make_synthetic() gives, but without events, so that only
/// its users, earlier lengths and requests mean something. O(requests log requests), 16 bytes a request and 12 a user.
/// Throws config_error.
[[nodiscard]] inline trace draw_synthetic_requests(const synthetic_config& config = {})
{
  check(config);
  const std::vector<detail::synthetic_user> users = detail::draw_users(config);
  const double end_ms = config.days * detail::synthetic_day_ms;

  trace t;
  t.name = "synthetic";
  t.items = config.items;
  for (std::uint32_t u = 0; u < config.users; ++u) {
    t.users.push_back(user_id{u});
    t.earlier.push_back(scaled_length(static_cast<std::uint64_t>(users[u].length), config.history_scale));
    detail::draw_requests(users[u], end_ms, random_source(derive_seed(config.seed, 1000 + std::uint64_t{u})),
                          [&](std::int64_t time_ms, std::uint64_t events) {
                            t.requests.push_back({time_ms, u, scaled_length(events, config.history_scale)});
                          });
  }
  std::sort(t.requests.begin(), t.requests.end(), [](const trace_request& a, const trace_request& b) {
    if (a.time_ms != b.time_ms) return a.time_ms < b.time_ms;
    return a.user != b.user ? a.user < b.user : a.history < b.history;
  });
  if (config.requests != 0 && config.requests < t.requests.size()) t.requests.resize(config.requests);
  return t;
}

/// Draws the workload. Who asks when does not depend on the history scale; a smaller number of requests gives the first
/// of the same requests on the same histories. After a request the user's events follow 15 s apart, closer where the
/// next request comes too soon for that; their number is the user's daily rate times the time to the next request, in
/// the day cycle. Items follow a power law: item i's share falls as i^(-2/3). The same everywhere where double
/// arithmetic is IEEE's and not contracted to fused operations.
///
/// O(events); 16 bytes an event, at scale 1 about 12,000 a user and 378 more a day. Throws config_error, also when
/// there would be more than most_trace_events.
[[nodiscard]] inline trace make_synthetic(const synthetic_config& config = {})
{
  trace t = draw_synthetic_requests(config);
  detail::draw_events(t, config);
  return t;
}

}  // namespace kvstrata
