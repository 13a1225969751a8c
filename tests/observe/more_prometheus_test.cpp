// What devices and prefetchers count, as Prometheus text: every figure, under its name, once.
#include "observe/prometheus_reader.hpp"
#include "support/catch.hpp"

#include <kvstrata/ahead/prometheus.hpp>
#include <kvstrata/cache/device_prometheus.hpp>
#include <kvstrata/device/cuda/counters.hpp>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace kvstrata;

namespace {

using kvstrata_test::prometheus_reader;
using labels = std::map<std::string, std::string>;

/// What write(to) writes, read back.
template <class Write>
prometheus_reader written(Write&& write, metrics_format format = metrics_format::prometheus_text)
{
  std::ostringstream out;
  prometheus_writer to(out, {}, format);
  write(to);
  to.finish();
  return prometheus_reader(out.str(), format == metrics_format::open_metrics);
}

[[nodiscard]] prefetcher_stats all_different()
{
  prefetcher_stats s;
  std::uint64_t next = 100;
  for (std::uint64_t* const one :
       {&s.launched, &s.taken, &s.cancelled, &s.steps, &s.refused, &s.kept, &s.turned_down, &s.queued_tokens,
        &s.displaced_tokens, &s.saved_tokens, &s.late_tokens, &s.dropped_tokens, &s.rolled_back_tokens, &s.waiting,
        &s.held_pages, &s.budget_pages, &s.under_way_steps}) {
    *one = ++next;
  }
  return s;
}

[[nodiscard]] cuda_device_counters counted()
{
  cuda_device_counters c;
  c.to_device = {1, 2, 3};
  c.from_device = {4, 5, 6};
  c.on_device = {7, 8, 9};
  c.on_host = {10, 11, 12};
  c.kernels = 13;
  c.fills = 14;
  c.host_waits = 15;
  c.host_wait_seconds = 0.125;
  c.streams = {{"compute", 1.5, 0.25}, {"compute", 2.5, 0}};
  c.batch_calls = 16;
  c.loose_pieces = 17;
  c.events = 18;
  return c;
}

}  // namespace

TEST_CASE("prometheus: all that a prefetcher counts is there, once", "[observe]")
{
  const prefetcher_stats s = all_different();
  static_assert(sizeof(prefetcher_stats) == 17 * sizeof(std::uint64_t));  // a new one is to be written, too
  const prometheus_reader text = written([&](prometheus_writer& to) { write_prometheus(to, s); });
  std::set<std::string> values;
  for (const auto& [name, family] : text.families) {
    for (const auto& sample : family.samples) values.insert(sample.value);
  }
  for (std::uint64_t n = 101; n <= 117; ++n) CHECK(values.count(std::to_string(n)) == 1);
  CHECK(text.sample("kvstrata_prefetcher_kept_total", {}).value == std::to_string(s.kept));
  CHECK(text.sample("kvstrata_prefetcher_tokens_total", {{"as", "late"}}).value == std::to_string(s.late_tokens));
  CHECK(text.sample("kvstrata_prefetcher_held_pages", {}).value == std::to_string(s.held_pages));
}

TEST_CASE("prometheus: several prefetchers stand in one exposition", "[observe]")
{
  const std::vector<labelled<prefetcher_stats>> all = {{{{"shard", "0"}}, all_different()}, {{{"shard", "1"}}, {}}};
  const prometheus_reader text = written([&](prometheus_writer& to) { write_prometheus(to, all); });
  CHECK(text.sample("kvstrata_prefetcher_launched_total", {{"shard", "0"}}).value == "101");
  CHECK(text.sample("kvstrata_prefetcher_launched_total", {{"shard", "1"}}).value == "0");
}

TEST_CASE("prometheus: what a device counts, in either format", "[observe]")
{
  const cuda_device_counters c = counted();
  const auto format = GENERATE(metrics_format::prometheus_text, metrics_format::open_metrics);
  const prometheus_reader text = written([&](prometheus_writer& to) { write_prometheus(to, c); }, format);
  const auto value = [&](const std::string& name, const labels& of = {}) {
    return text.sample("kvstrata_device_" + name, of).number();
  };
  CHECK(value("copies_total", {{"route", "to_device"}}) == 1);
  CHECK(value("copied_bytes_total", {{"route", "from_device"}}) == 5);
  CHECK(value("copy_pieces_total", {{"route", "on_device"}}) == 9);
  CHECK(value("copied_bytes_total", {{"route", "on_host"}}) == 11);
  CHECK(value("kernels_total") == 13);
  CHECK(value("fills_total") == 14);
  CHECK(value("host_waits_total") == 15);
  CHECK(value("host_wait_seconds_total") == 0.125);
  CHECK(value("busy_seconds_total", {{"stream", "compute"}, {"number", "0"}}) == 1.5);
  CHECK(value("busy_seconds_total", {{"stream", "compute"}, {"number", "1"}}) == 2.5);
  CHECK(value("stall_seconds_total", {{"stream", "compute"}, {"number", "0"}}) == 0.25);
  CHECK(value("batch_calls_total") == 16);
  CHECK(value("loose_pieces_total") == 17);
  CHECK(value("events") == 18);
}

TEST_CASE("prometheus: several devices stand in one exposition", "[observe]")
{
  const device_counters c = counted();
  const std::vector<labelled<device_counters>> all = {{{{"gpu", "0"}}, c}, {{{"gpu", "1"}}, c}};
  const prometheus_reader text =
      written([&](prometheus_writer& to) { write_prometheus(to, std::span<const labelled<device_counters>>(all)); });
  CHECK(text.sample("kvstrata_device_kernels_total", {{"gpu", "1"}}).value == "13");
  CHECK(text.sample("kvstrata_device_stall_seconds_total", {{"gpu", "0"}, {"stream", "compute"}, {"number", "0"}})
            .value == "0.25");
}
