// The streams that the levels bench serves. Lengths, their growth and the minutes of S3 were fitted, at commit da21ba3's
// figures for the workload that they stand for, in batches of 8 on 40,960 device pages; the tables of today's figures are
// in bench/levels.md.
//
//                                                  wanted                  KuaiRand-Pure's      drawn sessions
//   S1  tokens of a request                        15,500                  15,800               15,600
//       device, host hits of default_cache, %      0.1, 82.3               0.0, 84.3            0.0, 85.1
//       ... of mtserve_cache                       0.1, 79.4               0.0, 81.6            0.0, 82.3
//       instructions, default and mtserve          270k, 178k              265k, 166k           243k, 163k
//   S3  tokens of a request                        14,800                  15,200               15,700
//       device, host hits of default_cache, %      90.5, 9.0               90.3, 9.4            90.6, 9.1
//       ... of mtserve_cache                       90.5, 8.7               90.3, 9.1            90.6, 8.8
//       device hits on 10,240 pages                69.6, 67.1              75.3, 72.6           79.1, 77.0
//       instructions, default and mtserve          330k, 55k               291k, 53k            290k, 53k
//       pieces of copies, default                  1,544                   1,581                1,573
#pragma once

#include "sessions.hpp"
#include "stream.hpp"

#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

namespace levels {

inline constexpr double longest_history = 40'960;  // a batch of 8 fits into 10,240 pages of 32 tokens

/// Puts requests into batches of distinct users, in order: a batch leaves when it has `size` of them, and who comes
/// again before that asks once, with the longer history.
class batch_maker
{
 public:
  explicit batch_maker(std::size_t size) : size_(size) {}

  void add(std::uint32_t user, double tokens)
  {
    const asked r{user, static_cast<std::uint32_t>(std::min(tokens, longest_history))};
    for (asked& other : open_) {
      if (other.user == user) {
        other = r;
        return;
      }
    }
    open_.push_back(r);
    if (open_.size() < size_) return;
    made_.add(open_);
    open_.clear();
  }
  [[nodiscard]] std::size_t batches() const noexcept { return made_.batches(); }
  [[nodiscard]] stream take() { return std::move(made_); }

 private:
  std::size_t size_;
  std::vector<asked> open_;
  stream made_;
};

/// S1: every session asks once, so that nearly nobody is on the device when they come back. Histories grow by a tenth
/// of their first length a day.
[[nodiscard]] inline stream session_stream(const session_log& log, std::size_t batches)
{
  constexpr double length_scale = 0.92, days_to_double = 9.5;
  batch_maker maker(8);
  for (const session& s : log.sessions) {
    if (maker.batches() == batches) break;
    maker.add(s.user, first_length(s.user, length_scale) * (1 + s.days / days_to_double));
  }
  return maker.take();
}

/// S3: who has come asks once a minute for a while, as somebody who watches short videos does, with 38 more events each
/// time: about nine of ten requests find their user on the device. A seventh of the users, folded to 1,600, so that as
/// many are watching at a time as the hit ratios of three sizes of the device say.
[[nodiscard]] inline stream window_stream(const session_log& log, std::size_t batches)
{
  constexpr double length_scale = 0.8, growth = 38, mean_windows = 9.6, share = 1.0 / 7, minute = 1.0 / 1440;
  constexpr std::uint32_t population = 1600;
  struct visit
  {
    double days;
    std::uint32_t user;
    int windows;
    bool operator<(const visit& other) const { return days > other.days; }  // the earliest is on top
  };
  std::priority_queue<visit> waiting;
  std::vector<double> length;
  for (std::uint32_t u = 0; u < population; ++u) length.push_back(first_length(u, length_scale));
  batch_maker maker(8);
  kvstrata::random_source random(3);
  const auto ask = [&](visit v) {
    maker.add(v.user, length[v.user]);
    length[v.user] += growth;
    if (--v.windows == 0) return;
    v.days += (0.75 + 0.5 * random.uniform()) * minute;
    waiting.push(v);
  };
  for (const session& s : log.sessions) {
    if (kvstrata::random_source(kvstrata::derive_seed(5, s.user)).uniform() >= share) continue;
    for (; !waiting.empty() && waiting.top().days < s.days && maker.batches() < batches;) {
      const visit next = waiting.top();
      waiting.pop();
      ask(next);
    }
    if (maker.batches() == batches) break;
    const int windows = 1 + static_cast<int>(-std::log(1 - random.uniform()) * mean_windows);
    waiting.push({s.days, static_cast<std::uint32_t>(kvstrata::derive_seed(7, s.user) % population), windows});
  }
  return maker.take();
}

/// Pages that a host tier needs which never binds: of all users at their longest, and 30 % more.
[[nodiscard]] inline std::size_t roomy_host_pages(const stream& s)
{
  std::unordered_map<std::uint32_t, std::uint32_t> longest;
  for (const asked& r : s.requests) longest[r.user] = std::max(longest[r.user], r.tokens);
  std::size_t pages = 0;
  for (const auto& [user, tokens] : longest) pages += (tokens + 31) / 32;
  return pages + pages * 3 / 10;
}

/// Users 0 to users - 1 once each, in batches of `batch`.
[[nodiscard]] inline stream everybody_once(std::uint32_t users, std::uint32_t tokens, std::size_t batch)
{
  stream s;
  for (std::uint32_t u = 0; u < users; ++u) {
    s.requests.push_back({u, tokens});
    if (s.requests.size() - s.begins.back() == batch || u + 1 == users) s.close_batch();
  }
  return s;
}

/// `batches` more, of distinct users that are log-uniform among the first `users`: P(u < n) = log(n + 1) / log(users + 1).
inline void add_log_uniform(stream& s, std::uint32_t users, std::size_t batch, std::size_t batches)
{
  kvstrata::random_source random(users + batch);
  for (std::size_t b = 0; b < batches; ++b) {
    std::vector<asked> requests;
    while (requests.size() < batch) {
      const double drawn = std::exp(random.uniform() * std::log(users + 1.0)) - 1;
      const auto user = std::min(static_cast<std::uint32_t>(drawn), users - 1);
      const auto same = [user](const asked& other) { return other.user == user; };
      if (std::none_of(requests.begin(), requests.end(), same)) requests.push_back({user, 1});
    }
    s.add(requests);
  }
}

}  // namespace levels
