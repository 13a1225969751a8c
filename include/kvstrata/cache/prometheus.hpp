// Where every byte of a cache is, as Prometheus text: gauges beside the counts of observe/prometheus.hpp.
//
//   prometheus_writer to(response, {{"cache", "a"}});
//   write_prometheus(to, cache.stats());
//   write_prometheus(to, cache.watcher().read());
#pragma once

#include <kvstrata/cache/stats.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace kvstrata {

/// Adds the tiers' bytes and tokens. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, const cache_stats& s)
{
  const std::pair<std::string, const tier_stats*> places[] = {
      {"device", &s.device}, {"lower", &s.lower}, {"window", &s.window}};
  const auto each = [&](std::string_view name, std::string_view help, auto member) {
    for (const auto& [place, stats] : places) to.gauge(name, help, stats->*member, {{"tier", place}});
  };
  each("capacity_bytes", "Bytes that users can have.", &tier_stats::capacity_bytes);
  each("free_bytes", "Bytes that nobody has and nothing queued uses.", &tier_stats::free_bytes);
  each("resident_bytes", "Bytes in pages and extents of users, or of leases in the window.",
       &tier_stats::resident_bytes);
  each("in_flight_bytes", "Bytes that nobody has any more, but queued work still uses.", &tier_stats::in_flight_bytes);
  constexpr std::string_view resident = "Committed tokens that a tier holds for the current epoch's users.";
  to.gauge("resident_tokens", resident, s.device.resident_tokens, {{"tier", "device"}});
  to.gauge("resident_tokens", resident, s.lower.resident_tokens, {{"tier", "lower"}});
  to.gauge("dirty_tokens", "Committed tokens that only the device has.", s.dirty_tokens);
  to.gauge("waiting_writes", "Users whose write waits for its turn.", s.waiting_writes);
  to.gauge("users", "Users with anything cached, in the current epoch.", s.users);
  to.gauge("leases", "Leases that are not released yet.", s.leases);
}

}  // namespace kvstrata
