// What an nvme_file has done, and has, for Prometheus:
//
//   prometheus_writer to(response, {{"store", "a"}});
//   write_prometheus(to, store.figures());
//   to.finish();
//
// For several stores, a list of labelled figures. The caches of a store share its counts: they are written once a store.
#pragma once

#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>
#include <kvstrata/tiers/nvme/books/figures.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds those of several stores, each with its labels. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, std::span<const labelled<nvme::store_figures_now>> all)
{
  using figures = nvme::store_figures_now;
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
  const auto count = [](std::uint64_t nvme::store_counts::* which) {
    return [which](const figures& f) { return f.counts.*which; };
  };
  const auto found = [](std::uint64_t nvme::recovery_figures::* which) {
    return [which](const figures& f) { return f.recovery.*which; };
  };
  const auto engine = [](std::uint64_t nvme::engine_figures::* which) {
    return [which](const figures& f) { return f.engine.*which; };
  };
  using counts = nvme::store_counts;
  using recovery = nvme::recovery_figures;
  using io = nvme::engine_figures;
  counter("nvme_calls", "Calls that are done.",
          {{{{"call", "put"}}, count(&counts::puts)},
           {{{"call", "get"}}, count(&counts::gets)},
           {{{"call", "ask"}}, count(&counts::asks)},
           {{{"call", "erase"}}, count(&counts::erasures)}});
  counter("nvme_refused_calls", "Calls for which there was no room.", {{{}, count(&counts::refused)}});
  counter("nvme_waited_puts", "Puts that waited for room.", {{{}, count(&counts::waited)}});
  counter("nvme_flushes", "Flushes of the medium.", {{{}, count(&counts::flushes)}});
  counter("nvme_page_bytes", "Bytes of pages that were put and got.",
          {{{{"call", "put"}}, count(&counts::put_bytes)}, {{{"call", "get"}}, count(&counts::got_bytes)}});
  counter("nvme_stored_bytes", "Bytes that the records of puts took, with heads and padding.",
          {{{}, count(&counts::stored_bytes)}});
  counter("nvme_code_bytes", "Bytes of their codes alone.", {{{}, count(&counts::code_bytes)}});
  counter("nvme_lost", "I/Os and records that came to nothing, by why.",
          {{{{"why", "io_error"}}, count(&counts::lost_io)}, {{{"why", "checksum"}}, count(&counts::lost_checksum)}});
  counter("nvme_dropped_records", "Records that could not be read, or not made durable.",
          {{{}, count(&counts::dropped_records)}});
  counter("nvme_evicted_records", "Records that went with their regions.", {{{}, count(&counts::evicted_records)}});
  counter("nvme_reinserted_bytes", "Bytes written again, since they were in use.",
          {{{}, count(&counts::reinserted_bytes)}});
  counter("nvme_regions_reclaimed", "Regions that made room.", {{{}, count(&counts::reclaimed_regions)}});
  counter("nvme_moved_bytes", "Bytes that the engine moved.",
          {{{{"way", "read"}}, engine(&io::read_bytes)}, {{{"way", "written"}}, engine(&io::written_bytes)}});
  counter("nvme_engine_errors", "I/Os that the kernel refused or failed.", {{{}, engine(&io::errors)}});
  counter("nvme_unregistered_ios", "I/Os of an engine that registers memory, from or to memory that is not.",
          {{{}, engine(&io::unregistered)}});
  gauge("nvme_recovered_records", "Records found when the store was opened.", {{{}, found(&recovery::records)}});
  gauge("nvme_torn_records", "Records that a crash had torn, when it was opened.", {{{}, found(&recovery::torn)}});
  gauge("nvme_records", "Records in the index.", {{{}, [](const figures& f) { return f.records; }}});
  gauge("nvme_index_bytes", "Address space of the index.", {{{}, [](const figures& f) { return f.index_bytes; }}});
  gauge("nvme_regions", "Regions, all and those that are clean.",
        {{{{"are", "all"}}, [](const figures& f) { return f.regions; }},
         {{{"are", "clean"}}, [](const figures& f) { return f.clean_regions; }}});
  for (const labelled<figures>& one : all) {
    prometheus_labels labels = one.labels;
    labels.push_back({"engine", std::string(one.snapshot.engine_name)});
    to.gauge("nvme_stored_ratio", "Bytes that were put for each that their records took.",
             nvme::stored_ratio(one.snapshot.counts), one.labels);
    to.gauge("nvme_engine", "Which engine moves the bytes.", std::uint64_t{1}, labels);
  }
}

/// Adds those of one.
inline void write_prometheus(prometheus_writer& to, const nvme::store_figures_now& figures)
{
  const labelled<nvme::store_figures_now> one{{}, figures};
  write_prometheus(to, std::span(&one, 1));
}

}  // namespace kvstrata
