// Traffic of many users who come in sessions, drawn request by request: a day of millions of users needs the memory of the
// users, not of the requests.
//
//   sessions    begin at a rate that goes with the hour (KuaiRand's day, simulate/synthetic.hpp); whose it is goes with the
//               users' activity; a session has a geometric number of requests, with exponential gaps
//   histories   KuaiRand-1K's lengths; each request adds what makes a user's history grow by a 31st of its length a day
//   users       are alike but for length and activity, which go together as in the synthetic workload
//
// Fewer users are a sample of more: each comes as often as before. So a fraction of the users on the same fraction of the
// machines, memory included, meets what the whole meets, up to chance; see simulate/sampling.hpp.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/serving_report.hpp>
#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct session_config
{
  std::uint32_t users = 100'000;
  double requests_a_day = 30;   ///< of a user, on average over the users
  double session_requests = 8;  ///< on average, at least 1
  double gap_seconds = 30;      ///< between two requests of a session, on average
  double from_hour = 0;         ///< of the day, when the traffic begins
  double history_scale = 1;
  token_count event_tokens = 2;
  token_count longest = 40'960;  ///< tokens; of a longer history only so many are asked for
  std::uint64_t seed = 1;
};

/// Throws config_error.
inline void check(const session_config& c)
{
  const auto within = [](std::string_view field, double value, double least, double most) {
    if (value >= least && value <= most) return;
    throw config_error("session_config." + std::string(field), std::to_string(value),
                       "it must lie between " + std::to_string(least) + " and " + std::to_string(most));
  };
  if (c.users == 0) throw config_error("session_config.users", 0, "it must be at least 1");
  within("requests_a_day", c.requests_a_day, 1e-3, 1e5);
  within("session_requests", c.session_requests, 1, 1e4);
  within("gap_seconds", c.gap_seconds, 0, 3600);
  within("from_hour", c.from_hour, 0, 24);
  if (c.event_tokens == 0) throw config_error("session_config.event_tokens", 0, "it must be at least 1");
  if (c.longest == 0) throw config_error("session_config.longest", 0, "it must be at least 1");
  check_history_scale(c.history_scale);
}

/// Endless. 28 bytes a user and 24 for each session under way. The same for the same configuration.
class session_traffic
{
 public:
  /// Throws config_error. O(users).
  explicit session_traffic(const session_config& config) : config_(config), random_(derive_seed(config.seed, 77))
  {
    check(config);
    const std::vector<detail::synthetic_user> drawn = detail::draw_users({.users = config.users, .seed = config.seed});
    double activity = 0;
    for (const detail::synthetic_user& one : drawn) activity += one.activity;
    const double mean = activity / config.users;
    std::vector<double> weights;
    weights.reserve(drawn.size());
    users_.reserve(drawn.size());
    for (const detail::synthetic_user& one : drawn) {
      const double daily = config.requests_a_day * one.activity / mean;
      const double length = one.length * config.history_scale;
      users_.push_back(
          {static_cast<float>(length), static_cast<float>(length / detail::synthetic_length_days / daily), 0});
      weights.push_back(one.activity / mean);
    }
    fill_alias(weights);
    session_gap_ms_ = detail::synthetic_day_ms / (config.requests_a_day / config.session_requests * config.users);
    begin_ms_ = config.from_hour * 3600e3;
    cycle_ms_ = cycle_of(begin_ms_);
    next_session();
  }

  /// The next request, in seconds since the traffic began.
  [[nodiscard]] arrival next()
  {
    if (under_way_.empty() || session_ms_ <= under_way_.top().ms) {
      const std::uint32_t who = draw_user();
      const session begun{session_ms_, who};
      next_session();
      return asks(begun);
    }
    const session at = under_way_.top();
    under_way_.pop();
    return asks(at);
  }

  [[nodiscard]] const session_config& config() const noexcept { return config_; }

 private:
  struct user_state
  {
    float length;            // events before the traffic
    float events_a_request;  // that are added
    std::uint32_t requests;  // so far
  };
  struct session
  {
    double ms;  // of its next request
    std::uint32_t user;
    [[nodiscard]] bool operator>(const session& other) const noexcept
    {
      return !is_exactly(ms, other.ms) ? ms > other.ms : user > other.user;
    }
  };

  /// What the cycle's clock shows at a time of the day: wall_ms() the other way round.
  static double cycle_of(double wall)
  {
    double sum = 0;
    for (const double events : detail::synthetic_hours) sum += events;
    const double hours = wall / 3600e3;
    double before = 0;
    for (std::size_t hour = 0; hour < 24; ++hour) {
      before += detail::synthetic_hours[hour] * (std::min)((std::max)(hours - static_cast<double>(hour), 0.0), 1.0);
    }
    return before / sum * detail::synthetic_day_ms;
  }

  [[nodiscard]] double exponential() noexcept { return -std::log(1 - random_.uniform()); }

  void next_session()
  {
    cycle_ms_ += session_gap_ms_ * exponential();
    session_ms_ = detail::wall_ms(cycle_ms_);
  }

  arrival asks(const session& now)
  {
    if (random_.uniform() * config_.session_requests >= 1) {  // it goes on
      under_way_.push({now.ms + 1e3 * config_.gap_seconds * exponential(), now.user});
    }
    user_state& user = users_[now.user];
    const double events = std::floor(user.length + double{user.events_a_request} * user.requests++);
    const double tokens = (std::min)(events * config_.event_tokens, static_cast<double>(config_.longest));
    return {.seconds = (now.ms - begin_ms_) / 1e3,
            .asked = {.user = user_id{now.user},
                      .history_tokens = static_cast<token_count>(tokens),
                      .time_ms = static_cast<std::int64_t>(now.ms)}};
  }

  /// Vose's alias method (1991): one draw picks a user by weight. The weights' mean is 1.
  void fill_alias(std::vector<double>& weights)
  {
    alias_.resize(weights.size());
    std::vector<std::uint32_t> light, heavy;
    for (std::uint32_t u = 0; u < weights.size(); ++u) (weights[u] < 1 ? light : heavy).push_back(u);
    while (!light.empty() && !heavy.empty()) {
      const std::uint32_t poor = light.back();
      const std::uint32_t rich = heavy.back();
      light.pop_back();
      alias_[poor] = {weights[poor], rich};
      weights[rich] -= 1 - weights[poor];
      if (weights[rich] < 1) {
        heavy.pop_back();
        light.push_back(rich);
      }
    }
    for (const std::uint32_t left : light) alias_[left] = {1, left};
    for (const std::uint32_t left : heavy) alias_[left] = {1, left};
  }

  [[nodiscard]] std::uint32_t draw_user() noexcept
  {
    const std::uint32_t u = random_.below(config_.users);
    return random_.uniform() < alias_[u].first ? u : alias_[u].second;
  }

  session_config config_;
  random_source random_;
  std::vector<user_state> users_;
  std::vector<std::pair<double, std::uint32_t>> alias_;  // [users_] the chance to stay, and who it is otherwise
  std::priority_queue<session, std::vector<session>, std::greater<>> under_way_;
  double session_gap_ms_ = 0;  // on the cycle's clock
  double begin_ms_ = 0;
  double cycle_ms_ = 0;
  double session_ms_ = 0;  // when the next session begins
};

}  // namespace kvstrata
