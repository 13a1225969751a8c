// Where every byte of a cache is, for Prometheus: gauges beside the counts of observe/prometheus.hpp.
//
//   prometheus_writer to(response, {{"cache", "a"}});
//   write_prometheus(to, cache.stats());
//   write_prometheus(to, cache.health());
//   write_prometheus(to, cache.tracker().read());
//   to.finish();
//
// For several caches, or the shards of one, both take a list of labelled snapshots.
#pragma once

#include <kvstrata/books/stats.hpp>
#include <kvstrata/cache/health.hpp>
#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds the tiers' bytes and tokens of several caches, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<cache_stats>> all)
{
  using s = cache_stats;
  using series = std::vector<detail::metric_series<s, std::uint64_t>>;
  const auto gauge = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(
        all, each, [&](std::uint64_t value, const prometheus_labels& labels) { to.gauge(name, help, value, labels); });
  };
  // A series a level that some cache has: its number, and the tier's name there.
  const auto levels = [&](std::uint64_t tier_stats::* what) {
    series out;
    for (level_index i = 0; i < most_levels; ++i) {
      for (const labelled<s>& one : all) {
        if (i >= one.snapshot.depth) continue;
        out.push_back({{{"level", std::to_string(i)}, {"tier", std::string(one.snapshot.levels[i].name)}},
                       [i, what](const s& x) { return x.levels[i].*what; }});
        break;
      }
    }
    return out;
  };
  const auto places = [&](std::uint64_t tier_stats::* what) {
    series out = levels(what);
    out.push_back({{{"level", "0"}, {"tier", "window"}}, [what](const s& x) { return x.window.*what; }});
    return out;
  };
  gauge("capacity_bytes", "Bytes that users can have.", places(&tier_stats::capacity_bytes));
  gauge("free_bytes", "Bytes that nobody has and nothing queued uses.", places(&tier_stats::free_bytes));
  gauge("resident_bytes", "Bytes in pages and extents of users, or of leases in the window.",
        places(&tier_stats::resident_bytes));
  gauge("in_flight_bytes", "Bytes that nobody has any more, but queued work still uses.",
        places(&tier_stats::in_flight_bytes));
  gauge("stale_bytes", "Of the resident bytes, those of an older epoch: they go first.",
        levels(&tier_stats::stale_bytes));
  gauge("raw_capacity_bytes", "Bytes for pages as they are, in levels that keep a code of pages.",
        levels(&tier_stats::raw_capacity_bytes));
  gauge("raw_bytes", "Of these, those that pages have.", levels(&tier_stats::raw_bytes));
  gauge("resident_tokens", "Committed tokens that a level holds for the current epoch's users.",
        levels(&tier_stats::resident_tokens));
  gauge("dirty_tokens", "Committed tokens that only the slab has.", {{{}, &s::dirty_tokens}});
  gauge("waiting_writes", "Users whose write waits for its turn.", {{{}, &s::waiting_writes}});
  gauge("users", "Users with anything cached, in the current epoch.", {{{}, &s::users}});
  gauge("epoch", "The number of the model that is served.", {{{}, [](const s& x) { return to_number(x.epoch); }}});
  gauge("stretch_bytes", "Bytes of host memory for users' stretch fingerprints.", {{{}, &s::stretch_bytes}});
  gauge("leases", "Leases that are not released yet.", {{{}, &s::leases}});
}

/// Adds those of one cache.
inline void write_prometheus(prometheus_writer& to, const cache_stats& s)
{
  const labelled<cache_stats> one{{}, s};
  write_prometheus(to, {&one, 1});
}

/// Adds the health of several caches, each with its labels: gauges that are 1 for the state that holds, and counters. Throws
/// as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<cache_health>> all)
{
  using h = cache_health;
  using series = std::vector<detail::metric_series<h, std::uint64_t>>;
  series states;
  for (const h::state s : {h::state::good, h::state::degraded, h::state::failed}) {
    states.push_back({{{"state", std::string(name_of(s))}}, [s](const h& x) { return std::uint64_t{x.is == s}; }});
  }
  detail::for_each_series(all, states, [&](std::uint64_t value, const prometheus_labels& labels) {
    to.gauge("health", "1 for the state that a cache is in.", value, labels);
  });
  const auto counter = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](std::uint64_t value, const prometheus_labels& labels) {
      to.counter(name, help, value, labels);
    });
  };
  counter("refused_transfers", "Transfers that the device did not take when they were queued.",
          {{{{"way", "down"}}, &h::refused_writes}, {{{"way", "up"}}, &h::refused_fetches}});
  counter("lost_records", "Records that went to a store or were to come from one, and are lost.",
          {{{}, &h::lost_records}});
  counter("store_errors", "Calls that stores threw at.", {{{}, &h::store_errors}});
}

/// Adds that of one cache.
inline void write_prometheus(prometheus_writer& to, const cache_health& health)
{
  const labelled<cache_health> one{{}, health};
  write_prometheus(to, {&one, 1});
}

}  // namespace kvstrata
