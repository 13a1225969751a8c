// A trace of users some of whom come often, for the tests of the simulator.
#pragma once

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata_test {

/// Users come back by a power law, their histories grow by up to 5 tokens from visit to visit, to 120.
inline kvstrata::trace skewed(std::uint32_t users, std::size_t requests)
{
  kvstrata::trace t{
      .name = "skewed", .items = 1, .users = {}, .event_begin = {}, .earlier = {}, .events = {}, .requests = {}};
  kvstrata::random_source random(7);
  std::vector<kvstrata::token_count> known(users, 0);
  for (std::uint32_t u = 0; u < users; ++u) {
    t.users.push_back(kvstrata::user_id{u});
    known[u] = random.below(60);
  }
  for (std::size_t r = 0; r < requests; ++r) {
    const double x = random.uniform();
    const auto user = static_cast<std::uint32_t>(x * x * x * users);
    known[user] = (std::min)(kvstrata::token_count{120}, known[user] + random.below(6));
    t.requests.push_back({static_cast<std::int64_t>(1000 * r), user, known[user]});
  }
  return t;
}

/// Its requests, by user and time alone.
inline std::vector<kvstrata::trace_access> keys_of(const kvstrata::trace& t)
{
  std::vector<kvstrata::trace_access> out;
  for (const kvstrata::trace_request& r : t.requests)
    out.push_back({.key = to_number(t.users[r.user]), .time_ms = r.time_ms, .tokens = 1});
  return out;
}

}  // namespace kvstrata_test
