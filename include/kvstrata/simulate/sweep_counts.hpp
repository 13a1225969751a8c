// What a sweep counts: what a trace asks for, once for all instances, and what each instance misses of it.
#pragma once

#include <kvstrata/core/sizes.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a trace, or a stretch of it, asks for. Sampled or not, it is all of it.
struct sweep_demand
{
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;  ///< what all requests would wait for without this cache; 0 without a cost model

  sweep_demand& operator+=(const sweep_demand& more) noexcept
  {
    requests += more.requests;
    bytes = saturated_sum(bytes, more.bytes);
    seconds += more.seconds;
    return *this;
  }
  friend constexpr bool operator==(const sweep_demand&, const sweep_demand&) = default;
};

/// What an instance missed, of the requests that it was shown.
struct sweep_misses
{
  std::uint64_t requests = 0;
  std::uint64_t bypassed = 0;  ///< of these, how many did not come in either
  std::uint64_t bytes = 0;  ///< sizes as the trace says them, whatever the cache counts; of a hit, what was not there
  double seconds = 0;
  std::uint64_t unusable = 0;  ///< hits on parts of requests (trace_access::part) of which an earlier part missed

  sweep_misses& operator+=(const sweep_misses& more) noexcept
  {
    requests += more.requests;
    bypassed += more.bypassed;
    bytes = saturated_sum(bytes, more.bytes);
    seconds += more.seconds;
    unusable += more.unusable;
    return *this;
  }
  friend constexpr bool operator==(const sweep_misses&, const sweep_misses&) = default;
};

/// Misses as shares of the demand, from 0 to 1; a sample's are divided by its rate. 1 where nothing was asked for: nothing hit.
struct miss_ratios
{
  double requests = 1;
  double bytes = 1;
  double seconds = 1;  ///< share of the waiting that the cache did not save
  double usable = 1;   ///< of requests, where a hit on a part counts with all parts before it only

  constexpr miss_ratios() = default;
  constexpr miss_ratios(const sweep_misses& missed, const sweep_demand& asked, double rate = 1) noexcept
      : requests(share(static_cast<double>(missed.requests), static_cast<double>(asked.requests), rate)),
        bytes(share(static_cast<double>(missed.bytes), static_cast<double>(asked.bytes), rate)),
        seconds(share(missed.seconds, asked.seconds, rate)),
        usable(share(static_cast<double>(missed.requests + missed.unusable), static_cast<double>(asked.requests), rate))
  {
  }

 private:
  [[nodiscard]] static constexpr double share(double missed, double asked, double rate) noexcept
  {
    return asked > 0 ? (std::min)(missed / rate / asked, 1.0) : 1.0;
  }
};

}  // namespace kvstrata
