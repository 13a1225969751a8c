// The counts of a cache for Prometheus:
//
//   write_prometheus(response, cache.tracker().read(), {{"cache", "a"}});
//
// Of several caches, or of the shards of one: in one exposition, since each metric has one head.
//
//   std::vector<labelled<counters::snapshot>> all;
//   for (std::uint32_t i = 0; i < shards.shards(); ++i) all.push_back({{{"shard", std::to_string(i)}}, shards.tracker(i).read()});
//   write_prometheus(response, all);
//
// Counters may be read from any thread, so a scrape does not hold up the cache.
#pragma once

#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds all counts of several snapshots, each with its labels. Throws as the writer does: for two that have the same
/// labels, for instance.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<counters::snapshot>> all)
{
  using s = counters::snapshot;
  using series = std::vector<detail::metric_series<s, std::uint64_t>>;
  const auto counter = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](std::uint64_t value, const prometheus_labels& labels) {
      to.counter(name, help, value, labels);
    });
  };
  counter("batches", "Batches that came under a lease.", {{{}, &s::batches}});
  counter("requests", "Requests in these batches.", {{{}, &s::requests}});
  // A series a level that some cache has.
  std::uint64_t levels = 0;
  for (const labelled<s>& one : all) levels = (std::max)(levels, one.snapshot.levels);
  const auto by = [&](by_level<std::uint64_t> s::* what, const prometheus_labels& more = {}) {
    series out;
    for (level_index i = 0; i < levels; ++i) {
      prometheus_labels labels = more;
      labels.emplace_back("level", std::to_string(i));
      out.push_back({std::move(labels), [i, what](const s& x) { return (x.*what)[i]; }});
    }
    return out;
  };
  counter("served_tokens", "Tokens of the requests' windows that came from a level.", by(&s::served_tokens));
  counter("computed_tokens", "Tokens of the requests' windows that were left to the model.",
          {{{}, &s::computed_tokens}});
  counter("recomputed_tokens", "Computed tokens that a level had, because computing them is quicker.",
          {{{}, &s::recomputed_tokens}});
  counter("scratch_tokens", "Tokens of scratch parts, which nobody keeps.", {{{}, &s::scratch_tokens}});
  counter("committed_tokens", "Tokens that were computed in a lease and committed.", {{{}, &s::committed_tokens}});

  counter("onload_bytes", "Bytes that were queued to be moved from a level to the slab.", by(&s::onload_bytes));
  counter("offload_bytes", "Bytes that were queued to be moved down to a level.", by(&s::offload_bytes));
  counter("relocated_bytes", "Bytes that were queued to be moved from the onload window to pages.",
          {{{}, &s::relocated_bytes}});
  counter("copies", "Calls to the device that move them.",
          {{{{"move", "onload"}}, &s::onload_copies},
           {{{"move", "offload"}}, &s::offload_copies},
           {{{"move", "relocation"}}, &s::relocated_copies}});
  counter("copy_pieces", "Descriptors in these calls.",
          {{{{"move", "onload"}}, &s::onload_pieces},
           {{{"move", "offload"}}, &s::offload_pieces},
           {{{"move", "relocation"}}, &s::relocated_pieces}});

  counter("evicted_tokens", "Tokens that left a level under pressure.", by(&s::evicted_tokens));
  counter("dropped_tokens", "Evicted tokens that were nowhere else.", by(&s::dropped_tokens));
  counter("unread_tokens", "Evicted tokens that were never served to a request since they came.",
          by(&s::unread_tokens));

  counter("forgotten_tokens", "Cached tokens that requests have made useless, by why.",
          {{{{"reason", "rewritten"}}, &s::rewritten_tokens},
           {{{"reason", "widened"}}, &s::widened_tokens},
           {{{"reason", "passed"}}, &s::passed_tokens},
           {{{"reason", "overwritten"}}, &s::overwritten_tokens},
           {{{"reason", "inexact"}}, &s::inexact_tokens},
           {{{"reason", "stranded"}}, &s::stranded_tokens},
           {{{"reason", "superseded"}}, &s::superseded_tokens}});

  series refused;
  for (std::size_t i = 0; i < counters::refusals; ++i) {
    refused.push_back(
        {{{"reason", std::string(name_of(static_cast<refusal>(i)))}}, [i](const s& x) { return x.refused_for[i]; }});
  }
  counter("refused_tokens", "Tokens that a level had no room for; they stay where they are.", by(&s::refused_tokens));
  counter("refusals_tokens", "The same of all levels, by why.", refused);
  counter("write_dropped_tokens", "Tokens that did not go down to a level because the device refused the copy.",
          by(&s::write_dropped_tokens));
  counter("delayed_tokens", "Tokens whose write was put off, because the queue of writes was full.",
          {{{}, &s::delayed_tokens}});
  counter("waited_pages", "Pages that were taken while another compute stream's work still used them.",
          by(&s::waited_pages));
  counter("cleaned_tokens", "Tokens that were written ahead of need.", {{{}, &s::cleaned_tokens}});

  counter("prefetched_tokens", "Tokens that were queued ahead of their request.", {{{}, &s::prefetched_tokens}});
  counter("prefetch_displaced_tokens", "Tokens that prefetches pushed out of the slab.", {{{}, &s::displaced_tokens}});
  counter("prefetch_undone_tokens", "Prefetched tokens that were taken back unread.", {{{}, &s::undone_tokens}});
  counter("prefetch_saved_tokens", "Prefetched tokens that a batch has read.", {{{}, &s::saved_tokens}});

  series calls;
  for (std::size_t i = 0; i < counters::call_names; ++i) {
    calls.push_back(
        {{{"call", std::string(name_of(static_cast<call_name>(i)))}}, [i](const s& x) { return x.calls[i]; }});
  }
  counter("calls", "Calls that began.", calls);
  counter("pressure", "Calls that were turned away.", {{{}, &s::pressure}});
  series pressed;
  for (std::size_t i = 0; i < pressure_reasons; ++i) {
    pressed.push_back({{{"reason", std::string(name_of(static_cast<pressure::reason>(i)))}},
                       [i](const s& x) { return x.pressure_for[i]; }});
  }
  counter("pressure_by", "The same, by why.", pressed);
  counter("epochs", "Models that have taken over.", {{{}, &s::epochs}});

  using histograms = std::vector<detail::metric_series<s, log2_histogram>>;
  const auto histogram = [&](std::string_view name, std::string_view help, const histograms& each) {
    detail::for_each_series(all, each, [&](const log2_histogram& values, const prometheus_labels& labels) {
      to.histogram(name, help, values, labels);
    });
  };
  const auto ages = [&](by_level<log2_histogram> s::* what) {
    histograms out;
    for (level_index i = 0; i < levels; ++i) {
      out.push_back({{{"level", std::to_string(i)}}, [i, what](const s& x) { return (x.*what)[i]; }});
    }
    return out;
  };
  histogram("hit_age_requests", "Requests that the cache served between two requests of a user it finds in a level.",
            ages(&s::hit_ages));
  histogram("eviction_age_requests", "Requests that the cache has served since an evicted user's last one.",
            ages(&s::eviction_ages));
}

/// Adds all counts of a snapshot.
inline void write_prometheus(prometheus_writer& to, const counters::snapshot& s)
{
  const labelled<counters::snapshot> one{{}, s};
  write_prometheus(to, {&one, 1});
}

/// An exposition with these counts alone. `constant` labels are part of every sample.
inline void write_prometheus(std::ostream& out, std::span<const labelled<counters::snapshot>> all,
                             prometheus_labels constant = {}, metrics_format format = metrics_format::prometheus_text)
{
  prometheus_writer to(out, std::move(constant), format);
  write_prometheus(to, all);
  to.finish();
}
inline void write_prometheus(std::ostream& out, const counters::snapshot& s, prometheus_labels constant = {},
                             metrics_format format = metrics_format::prometheus_text)
{
  const labelled<counters::snapshot> one{{}, s};
  write_prometheus(out, {&one, 1}, std::move(constant), format);
}

[[nodiscard]] inline std::string to_prometheus(std::span<const labelled<counters::snapshot>> all,
                                               prometheus_labels constant = {},
                                               metrics_format format = metrics_format::prometheus_text)
{
  std::ostringstream out;
  write_prometheus(out, all, std::move(constant), format);
  return out.str();
}
[[nodiscard]] inline std::string to_prometheus(const counters::snapshot& s, prometheus_labels constant = {},
                                               metrics_format format = metrics_format::prometheus_text)
{
  const labelled<counters::snapshot> one{{}, s};
  return to_prometheus({&one, 1}, std::move(constant), format);
}

}  // namespace kvstrata
