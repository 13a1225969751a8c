// What a device counts, for Prometheus:
//
//   prometheus_writer to(response, {{"gpu", "0"}});
//   write_prometheus(to, device.stats());
//   to.finish();
//
// For several devices, a list of labelled counters of one type. The caches of a device share its counts: they are written
// once a device.
#pragma once

#include <kvstrata/device/counters.hpp>
#include <kvstrata/observe/labelled.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds what several devices count, each with its labels. A stream has its name and its number for labels; what a device does
/// not measure stands there as 0 (a CUDA device without a trace knows neither busy nor stalled time). Throws as the writer
/// does.
template <std::derived_from<device_counters> Counters>
void write_prometheus(prometheus_writer& to, std::span<const labelled<Counters>> all)
{
  using traffic = device_counters::traffic;
  const auto counter = [&](std::string_view name, std::string_view help,
                           const std::vector<detail::metric_series<Counters, std::uint64_t>>& each) {
    detail::for_each_series(all, each, [&](std::uint64_t value, const prometheus_labels& labels) {
      to.counter(name, help, value, labels);
    });
  };
  const auto routes = [](std::uint64_t traffic::* what) {
    std::vector<detail::metric_series<Counters, std::uint64_t>> out;
    const auto add = [&](const char* route, traffic device_counters::* which) {
      out.push_back({{{"route", route}}, [=](const Counters& x) { return x.*which.*what; }});
    };
    add("to_device", &device_counters::to_device);
    add("from_device", &device_counters::from_device);
    add("on_device", &device_counters::on_device);
    add("on_host", &device_counters::on_host);
    return out;
  };
  counter("device_copies", "Calls that copy: a batch is one, a copy kernel none.", routes(&traffic::copies));
  counter("device_copied_bytes", "Bytes that copies, batches and copy kernels were queued to move.",
          routes(&traffic::bytes));
  counter("device_copy_pieces", "Pieces in these.", routes(&traffic::pieces));
  counter("device_kernels", "Kernels that were queued, copy kernels among them.", {{{}, &Counters::kernels}});
  counter("device_fills", "Fills that were queued.", {{{}, &Counters::fills}});
  counter("device_host_waits", "Waits of the host that found their event not yet complete.",
          {{{}, &Counters::host_waits}});
  for (const labelled<Counters>& one : all) {
    to.counter("device_host_wait_seconds", "Time that the host spent in these.", one.snapshot.host_wait_seconds,
               one.labels);
  }
  const auto streams = [&](std::string_view name, std::string_view help, double device_counters::stream::* what) {
    for (const labelled<Counters>& one : all) {
      for (std::size_t i = 0; i < one.snapshot.streams.size(); ++i) {
        prometheus_labels labels = one.labels;
        labels.emplace_back("stream", one.snapshot.streams[i].name);
        labels.emplace_back("number", std::to_string(i));
        to.counter(name, help, one.snapshot.streams[i].*what, labels);
      }
    }
  };
  streams("device_busy_seconds", "Time that a stream spent in copies, kernels and fills.",
          &device_counters::stream::busy_seconds);
  streams("device_stall_seconds", "Time that a stream with work in it stood still for another stream.",
          &device_counters::stream::stall_seconds);
  if constexpr (requires(const Counters& c) { c.batch_calls + c.loose_pieces + c.events; }) {  // cuda_device_counters
    counter("device_batch_calls", "Calls of cudaMemcpyBatchAsync.", {{{}, &Counters::batch_calls}});
    counter("device_loose_pieces", "Pieces of batches that were copied by a call each.",
            {{{}, &Counters::loose_pieces}});
    for (const labelled<Counters>& one : all) {
      to.gauge("device_events", "Events that exist for points of streams.", one.snapshot.events, one.labels);
    }
  }
}

/// Adds what one device counts.
template <std::derived_from<device_counters> Counters>
void write_prometheus(prometheus_writer& to, const Counters& counted)
{
  const labelled<Counters> one{{}, counted};
  write_prometheus(to, std::span<const labelled<Counters>>(&one, 1));
}

}  // namespace kvstrata
