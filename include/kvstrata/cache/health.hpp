// How a cache is: for a server's probe.
#pragma once

#include <kvstrata/books/stats.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a cache has got over, and whether it can go on. All counts are of its whole life.
struct cache_health
{
  enum class state : std::uint8_t {
    good,
    degraded,  ///< it serves, but has had to do without something since the moment that it is compared with
    failed,    ///< the device has failed, and so does every call that needs it
  };
  state is = state::good;
  std::uint64_t refused_writes = 0;   ///< transfers down that the device did not take
  std::uint64_t refused_fetches = 0;  ///< calls turned away because it did not take one up
  std::uint64_t lost_records = 0;     ///< that went to a store or were to come from one
  std::uint64_t store_errors = 0;     ///< calls that stores threw at
  std::string sentence{};             ///< of a failure: what happened, and what to do

  [[nodiscard]] std::uint64_t got_over() const noexcept
  {
    return refused_writes + refused_fetches + lost_records + store_errors;
  }

  /// Degraded, unless it is worse, when there is more of it than `before`; else good.
  void compare(const cache_health& before) noexcept
  {
    if (is != state::failed) is = got_over() > before.got_over() ? state::degraded : state::good;
  }

  /// Of several caches: the sums, and the worst.
  cache_health& operator+=(const cache_health& other)
  {
    if (sentence.empty()) sentence = other.sentence;
    is = (std::max)(is, other.is);
    refused_writes += other.refused_writes;
    refused_fetches += other.refused_fetches;
    lost_records += other.lost_records;
    store_errors += other.store_errors;
    return *this;
  }
};

[[nodiscard]] constexpr std::string_view name_of(cache_health::state s) noexcept
{
  switch (s) {
    case cache_health::state::good: return "good";
    case cache_health::state::degraded: return "degraded";
    case cache_health::state::failed: return "failed";
  }
  return "unknown";
}

/// What these figures say: degraded where they tell of more than `before`.
[[nodiscard]] inline cache_health health_of(const cache_stats& s, const cache_health& before)
{
  cache_health out{.refused_writes = s.refused_writes, .refused_fetches = s.refused_fetches};
  for (const store_figures& f : s.stores) {
    out.lost_records += f.lost_puts + f.lost_gets;
    out.store_errors += f.errors;
  }
  out.compare(before);
  return out;
}

}  // namespace kvstrata
