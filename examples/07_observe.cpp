// Observe: what a cache does, seen by several trackers at once.
//
// A tracker is told of events after they happened. It hears those for which it has an overload of on(); what it does not
// listen for costs nothing, and an empty tracker takes no room. Three are at work here: counts, of which a service makes
// metrics for Prometheus, a timeline for ui.perfetto.dev, and one of our own.
#include <kvstrata/cache.hpp>
#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/prometheus.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/trackers.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

using namespace kvstrata;

// Hears of one thing only: tokens that left and were nowhere else, which somebody will compute again.
struct loss_alarm
{
  std::uint64_t lost = 0;
  void on(const tokens_evicted& e) noexcept { lost += e.dropped; }
};
static_assert(tracks<loss_alarm, tokens_evicted> && !tracks<loss_alarm, batch_prepared>);

// The tracker is the cache's last parameter.
using all_trackers = trackers<counters, timeline, loss_alarm>;
using watched_cache = default_cache<emulated_device, lru, all_trackers>;

template <class Cache>
void serve(Cache& cache, emulated_device& device, stream_id compute)
{
  for (std::uint64_t turn = 0; turn < 60; ++turn) {
    const request batch[] = {
        {.user = user_id{turn * turn % 29}, .history_tokens = static_cast<token_count>(90 + turn)}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < cache.shape().layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer " + std::to_string(layer), .seconds = 1e-6 * lease.sources(0).computed},
                    [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    lease.release();
    device.wait_sync(device.record(compute));
  }
  cache.drain_sync();
}

// All that there is to say of a service's caches, or of the shards of one: one exposition, in which a label tells them
// apart. A service answers a scrape with it, in the format that the request's Accept header asks for.
std::string scrape(sharded<watched_cache>& shards, metrics_format format)
{
  std::vector<labelled<counters::snapshot>> counts;
  std::vector<labelled<cache_stats>> states;
  for (std::uint32_t i = 0; i < shards.shards(); ++i) {
    const prometheus_labels label = {{"shard", std::to_string(i)}};
    counts.push_back({label, shards.tracker(i).get<counters>().read()});
    states.push_back({label, shards.stats(i)});
  }
  std::ostringstream out;
  prometheus_writer to(out, {{"cache", "example"}}, format);
  write_prometheus(to, counts);
  write_prometheus(to, states);
  to.finish();
  return out.str();
}

int main()
{
  emulated_device device({.time = time_mode::virtual_time,
                          .to_device = {1e9, 2e-6},
                          .from_device = {1e9, 2e-6},
                          .data = false,
                          .trace = true});
  const stream_id compute = device.create_stream("compute");
  const geometry shape{.layers = 2, .kv_heads = 2, .head_dim = 32, .element = element_type::bf16};
  const std::size_t page = page_bytes(shape, 32);
  watched_cache cache(device, {.shape = shape, .tiers = {{.bytes = 16 * page}, {.bytes = 80 * page}}});

  // Calls to the cache and work on the device shall be on one clock.
  timeline& line = cache.tracker().get<timeline>();
  line.use_clock([&device] { return device.now(); });
  serve(cache, device, compute);

  // Counts may be read at any time, from any thread.
  const counters::snapshot s = cache.tracker().get<counters>().read();
  std::printf("%llu batches: %llu tokens from the slab, %llu from the arena, %llu computed\n",
              static_cast<unsigned long long>(s.batches), static_cast<unsigned long long>(s.served_tokens[0]),
              static_cast<unsigned long long>(s.served_tokens[1]), static_cast<unsigned long long>(s.computed_tokens));
  std::printf("half of those found in the arena were back within %.0f requests\n", s.hit_ages[1].quantile(0.5));

  // For a scrape, as text.
  const std::string metrics = to_prometheus(s, {{"cache", "example"}});
  const std::size_t evicted = metrics.find("# HELP kvstrata_evicted_tokens_total");
  std::printf("\n%s\n", metrics.substr(evicted, metrics.find("# HELP", evicted + 1) - evicted).c_str());

  // Where every byte is, now: free + resident + in flight = capacity.
  const cache_stats now = cache.stats();
  for (const tier_stats& tier : std::span(now.levels).first(now.depth)) {
    std::printf("%-6s %4llu KiB: %llu free, %llu resident, %llu in flight\n", std::string(tier.name).c_str(),
                static_cast<unsigned long long>(tier.capacity_bytes / 1024),
                static_cast<unsigned long long>(tier.free_bytes / 1024),
                static_cast<unsigned long long>(tier.resident_bytes / 1024),
                static_cast<unsigned long long>(tier.in_flight_bytes / 1024));
  }

  // The picture: a row for the cache, one for each stream; stalls are slices of a category of their own.
  line.add_spans(device.trace());
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "kvstrata_timeline.json";
  std::ofstream out(file);
  line.write(out);
  out.close();
  std::printf("\n%zu events for ui.perfetto.dev are in %s\n", line.events(), file.string().c_str());

  // The same workload where the arena is far too small, and the alarm that rings.
  watched_cache cramped(device, {.shape = shape, .tiers = {{.bytes = 16 * page}, {.bytes = 8 * page}}});
  serve(cramped, device, compute);
  const std::uint64_t lost = cramped.tracker().get<loss_alarm>().lost;
  std::printf("with a tenth of the arena, %llu tokens were lost\n", static_cast<unsigned long long>(lost));

  // The same memory in two shards, and one scrape of both.
  sharded<watched_cache> shards(device, {.shape = shape, .tiers = {{.bytes = 16 * page}, {.bytes = 80 * page}}}, 2);
  serve(shards, device, compute);
  const std::string both = scrape(shards, metrics_format::open_metrics);
  const std::size_t users = both.find("# HELP kvstrata_users ");
  std::printf("\n%s\n", both.substr(users, both.find("# HELP", users + 1) - users).c_str());

  const tier_stats& slab = now.levels[0];
  const bool right = out && line.left_out() == 0 && line.events() > 5 * s.batches && s.batches == 60 &&
                     s.dropped_tokens[0] == 0 && lost != 0 && s.hit_ages[1].total() != 0 &&
                     evicted != std::string::npos && users != std::string::npos &&
                     slab.free_bytes + slab.resident_bytes + slab.in_flight_bytes == slab.capacity_bytes;
  std::puts(right ? "Every token is accounted for." : "FAILED: the counts contradict each other");
  return right ? 0 : 1;
}
