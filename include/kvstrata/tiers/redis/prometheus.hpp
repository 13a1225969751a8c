// What a redis_cluster has done, and met, for Prometheus:
//
//   prometheus_writer to(response, {{"store", "a"}});
//   write_prometheus(to, store.figures());
//   to.finish();
//
// For several stores, a list of labelled figures. The caches of a store share its counts: they are written once a store.
#pragma once

#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>
#include <kvstrata/tiers/redis/books/figures.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds those of several stores, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<redis::cluster_figures>> all)
{
  using figures = redis::cluster_figures;
  using counts = redis::cluster_counts;
  using series = std::vector<detail::metric_series<figures, std::uint64_t>>;
  const auto counter = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(all, each, [&](std::uint64_t value, const prometheus_labels& labels) {
      to.counter(name, help, value, labels);
    });
  };
  const auto gauge = [&](std::string_view name, std::string_view help, const series& each) {
    detail::for_each_series(
        all, each, [&](std::uint64_t value, const prometheus_labels& labels) { to.gauge(name, help, value, labels); });
  };
  const auto count = [](std::uint64_t counts::* which) {
    return [which](const figures& f) { return f.counts.*which; };
  };
  counter("cluster_calls", "Calls that are done.",
          {{{{"call", "put"}}, count(&counts::puts)},
           {{{"call", "get"}}, count(&counts::gets)},
           {{{"call", "ask"}}, count(&counts::asks)},
           {{{"call", "erase"}}, count(&counts::erasures)}});
  counter("cluster_page_bytes", "Bytes of pages that were put and got.",
          {{{{"call", "put"}}, count(&counts::put_bytes)}, {{{"call", "get"}}, count(&counts::got_bytes)}});
  counter("cluster_stored_bytes", "Bytes of the values of puts, with their heads.",
          {{{}, count(&counts::stored_bytes)}});
  counter("cluster_copied_bytes", "Bytes of values that did not come straight to where they belong.",
          {{{}, count(&counts::copied_bytes)}});
  counter("cluster_distrusted", "Values and manifests that are not what they should be, by why.",
          {{{{"why", "missing"}}, count(&counts::missing)},
           {{{"why", "foreign"}}, count(&counts::foreign)},
           {{{"why", "older"}}, count(&counts::older)},
           {{{"why", "damaged"}}, count(&counts::damaged)}});
  counter("cluster_lost", "I/Os that came to nothing because of servers, by why.",
          {{{{"why", "timeout"}}, count(&counts::timeouts)},
           {{{"why", "broken"}}, count(&counts::broken)},
           {{{"why", "away"}}, count(&counts::away)},
           {{{"why", "refused"}}, count(&counts::refused)},
           {{{"why", "full"}}, count(&counts::full)},
           {{{"why", "denied"}}, count(&counts::denied)},
           {{{"why", "unreplicated"}}, count(&counts::unreplicated)}});
  counter("cluster_outdone_puts", "Puts that came after somebody's later one, or an erasure.",
          {{{}, count(&counts::outdone)}});
  counter("cluster_contended_changes", "Changes that somebody else was quicker with.",
          {{{}, count(&counts::contended)}});
  counter("cluster_connections", "Connections, opened and dropped after an error.",
          {{{{"what", "opened"}}, count(&counts::connections)},
           {{{"what", "dropped"}}, count(&counts::dropped_connections)}});
  counter("cluster_redirections", "Answers that named another server.", {{{}, count(&counts::redirections)}});
  counter("cluster_topologies", "Times that the slots were read.", {{{}, count(&counts::topologies)}});
  gauge("cluster_servers", "Masters, as last heard.", {{{}, [](const figures& f) { return f.servers; }}});
  gauge("cluster_served_slots", "Slots that somebody serves, of 16384, as last heard.",
        {{{}, [](const figures& f) { return f.served_slots; }}});
  gauge("cluster_waiting_erasures", "Erasures that have not reached the cluster.",
        {{{}, [](const figures& f) { return f.waiting_erasures; }}});
  gauge("cluster_known_sequences", "Sequences of which it is remembered what was heard.",
        {{{}, [](const figures& f) { return f.known_sequences; }}});
}

/// Adds those of one.
inline void write_prometheus(prometheus_writer& to, const redis::cluster_figures& figures)
{
  const labelled<redis::cluster_figures> one{{}, figures};
  write_prometheus(to, std::span(&one, 1));
}

}  // namespace kvstrata
