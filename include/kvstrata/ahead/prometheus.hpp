// What a prefetcher has done, and what waits in it, for Prometheus:
//
//   prometheus_writer to(response, {{"cache", "a"}});
//   write_prometheus(to, cache.tracker().read());
//   write_prometheus(to, ahead.stats());
//   to.finish();
//
// For several prefetchers, a list of labelled stats.
#pragma once

#include <kvstrata/ahead/prefetcher_config.hpp>
#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds those of several prefetchers, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<prefetcher_stats>> all)
{
  using s = prefetcher_stats;
  using series = std::vector<detail::metric_series<s, std::uint64_t>>;
  const auto counter = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](std::uint64_t value, const prometheus_labels& labels) {
      to.counter(name, help, value, labels);
    });
  };
  const auto gauge = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(
        all, each, [&](std::uint64_t value, const prometheus_labels& labels) { to.gauge(name, help, value, labels); });
  };
  counter("prefetcher_launched", "Requests that joined the queue.", {{{}, &s::launched}});
  counter("prefetcher_ended", "Requests that left it, by why.",
          {{{{"as", "taken"}}, &s::taken}, {{{"as", "cancelled"}}, &s::cancelled}});
  counter("prefetcher_kept", "Times that a request's prepare gave no lease, and the request kept its place.",
          {{{}, &s::kept}});
  counter("prefetcher_turned_down", "Requests that are not prefetched, because the cache does not take them.",
          {{{}, &s::turned_down}});
  counter("prefetcher_steps", "Steps that were queued.", {{{}, &s::steps}});
  counter("prefetcher_refused_steps", "Steps that met pressure; each was tried again.", {{{}, &s::refused}});
  counter("prefetcher_queued_tokens", "Tokens that were queued for requests.", {{{}, &s::queued_tokens}});
  counter("prefetcher_displaced_tokens", "Tokens of others that left the slab for these.",
          {{{}, &s::displaced_tokens}});
  counter("prefetcher_tokens", "Tokens by what became of them.",
          {{{{"as", "saved"}}, &s::saved_tokens},
           {{{"as", "late"}}, &s::late_tokens},
           {{{"as", "dropped"}}, &s::dropped_tokens},
           {{{"as", "rolled_back"}}, &s::rolled_back_tokens}});
  gauge("prefetcher_waiting", "Requests that wait.", {{{}, &s::waiting}});
  gauge("prefetcher_held_pages", "Pages brought up for them.", {{{}, &s::held_pages}});
  gauge("prefetcher_budget_pages", "Pages that may be, at most.", {{{}, &s::budget_pages}});
  gauge("prefetcher_under_way_steps", "Steps that are not known to have arrived.", {{{}, &s::under_way_steps}});
}

/// Adds those of one.
inline void write_prometheus(prometheus_writer& to, const prefetcher_stats& stats)
{
  const labelled<prefetcher_stats> one{{}, stats};
  write_prometheus(to, {&one, 1});
}

}  // namespace kvstrata
