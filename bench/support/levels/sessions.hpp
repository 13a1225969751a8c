// Who comes when: the log of sessions that the streams of the levels bench are made of (streams.hpp). KuaiRand-Pure's
// where it is at hand, else one that is drawn with its statistics.
#pragma once

#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace levels {

struct session
{
  double days = 0;  ///< since the log began
  std::uint32_t user = 0;
};

struct session_log
{
  std::string name;
  std::vector<session> sessions;  ///< ascending in time
};

/// Users who come back after more than 30 minutes of silence.
[[nodiscard]] inline session_log real_sessions(const std::filesystem::path& kuairand_pure)
{
  const kvstrata::trace t = kvstrata::read_kuairand(kuairand_pure);
  session_log log{"kuairand_pure", {}};
  const auto begin_ms = static_cast<double>(t.requests.front().time_ms);
  for (const kvstrata::trace_request& r : t.requests) {
    log.sessions.push_back({(static_cast<double>(r.time_ms) - begin_ms) / 86'400e3, r.user});
  }
  return log;
}

/// The hour of a day, drawn as KuaiRand-Pure's events fall on it.
[[nodiscard]] inline double draw_hour(kvstrata::random_source& random)
{
  constexpr std::array<double, 24> events{8336,  5200,  3373,  2153,  1790,  2239,  4047,  6064,
                                          7708,  9174,  10492, 11767, 13378, 12758, 11592, 11972,
                                          12725, 13687, 12827, 12489, 12893, 13840, 14633, 13192};
  double sum = 0;
  for (const double e : events) sum += e;
  double left = random.uniform() * sum;
  std::size_t hour = 0;
  for (; hour < 23 && left >= events[hour]; ++hour) left -= events[hour];
  return static_cast<double>(hour) + left / events[hour];
}

/// A draw from the standard normal distribution.
[[nodiscard]] inline double draw_score(kvstrata::random_source& random)
{
  return kvstrata::normal_quantile(random.uniform() * (1 - 0x1p-52) + 0x1p-53);
}

/// The stand-in for the real log. The same users and days; sessions a user are lognormal, the parameters fitted; when
/// they are is uniform but for the hour, and more than 30 minutes apart.
///
///                                            KuaiRand-Pure          drawn
///   sessions                                 189,039                188,202
///   a user: P10, P50, P90, P99, most         1, 6, 16, 30, 82       2, 5, 15, 36, 82
///   by one of the last 355, 1,000, 5,031
///   who came                                 1.5, 10.1, 38.0 %      0.3, 4.8, 29.9 %
[[nodiscard]] inline session_log drawn_sessions()
{
  constexpr std::uint32_t users = 25'156;
  constexpr double days = 14, silence = 0.5 / 24;
  constexpr double median = 5.3, sigma = 0.83, most = 82;  // sessions a user
  session_log log{"synthetic", {}};
  kvstrata::random_source random(users);
  for (std::uint32_t u = 0; u < users; ++u) {
    const double often = std::clamp(std::round(median * std::exp(sigma * draw_score(random))), 1.0, most);
    const std::size_t first = log.sessions.size();
    for (int tries = 1000; log.sessions.size() < first + static_cast<std::size_t>(often) && tries > 0; --tries) {
      const double when = std::floor(random.uniform() * days) + draw_hour(random) / 24;
      const auto too_near = [&](const session& other) { return std::abs(other.days - when) < silence; };
      if (std::none_of(log.sessions.begin() + static_cast<std::ptrdiff_t>(first), log.sessions.end(), too_near)) {
        log.sessions.push_back({when, u});
      }
    }
  }
  std::sort(log.sessions.begin(), log.sessions.end(),
            [](const session& a, const session& b) { return a.days != b.days ? a.days < b.days : a.user < b.user; });
  return log;
}

/// How long a user's history is at first: a bent lognormal through the published quantiles of KuaiRand-1K's events a
/// user, times `scale`. Knows nothing of how often the user comes.
[[nodiscard]] inline double first_length(std::uint32_t user, double scale)
{
  constexpr std::array<std::pair<double, double>, 8> knots{{{-3.090, 300},
                                                            {-1.282, 1998},
                                                            {-0.674, 4370},
                                                            {0.0, 8327},
                                                            {0.674, 14990},
                                                            {1.282, 24418},
                                                            {2.326, 62626},
                                                            {3.090, 127557}}};
  kvstrata::random_source random(kvstrata::derive_seed(1, user));
  const double score = std::clamp(draw_score(random), knots.front().first, knots.back().first);
  std::size_t k = 1;
  while (score > knots[k].first) ++k;
  const double part = (score - knots[k - 1].first) / (knots[k].first - knots[k - 1].first);
  return scale * knots[k - 1].second * std::pow(knots[k].second / knots[k - 1].second, part);
}

}  // namespace levels
