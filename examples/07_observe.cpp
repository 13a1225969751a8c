// Observe: what a cache does, counted by the shipped counters and by a tracker of our own.
//
// A tracker is told of events after they happened. It hears those for which it has an overload of on(); what it does not
// listen for costs nothing, and an empty tracker takes no room. Numbers answer most questions; stats() says where every
// byte is right now.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include <cstdio>
#include <vector>

using namespace kvstrata;

// Counts everything, as `counters` does, and besides keeps each batch's share of tokens that were served.
class hit_ratio_log : public counters
{
 public:
  using counters::on;
  void on(const batch_prepared& e)
  {
    counters::on(e);
    const std::uint64_t served = e.device_tokens + e.lower_tokens;
    const std::uint64_t all = served + e.computed_tokens;
    ratios_.push_back(all == 0 ? 0 : static_cast<double>(served) / static_cast<double>(all));
  }
  [[nodiscard]] const std::vector<double>& ratios() const { return ratios_; }

 private:
  std::vector<double> ratios_;
};
static_assert(tracks<hit_ratio_log, batch_prepared> && tracks<hit_ratio_log, tokens_evicted>);

// Hears of one thing only: tokens that left and were nowhere else, which somebody will compute again.
struct loss_alarm
{
  std::uint64_t lost = 0;
  void on(const tokens_evicted& e) { lost += e.dropped; }
};
static_assert(tracks<loss_alarm, tokens_evicted> && !tracks<loss_alarm, batch_prepared>);

template <class Cache>
Cache& serve(Cache& cache, emulated_device& device)
{
  const stream_id compute = device.create_stream("compute");
  for (std::uint64_t turn = 0; turn < 60; ++turn) {
    const request batch[] = {
        {.user = user_id{turn * turn % 29}, .history_tokens = static_cast<token_count>(90 + turn)}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < cache.shape().layers; ++layer) lease.layer_done(layer);
    lease.commit();
  }
  cache.drain_sync();
  return cache;
}

int main()
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const geometry shape{.layers = 2, .kv_heads = 2, .head_dim = 32, .element = element_type::bf16};
  const std::size_t page = page_bytes(shape, 32);

  // The tracker is the cache's last parameter.
  default_cache<emulated_device, lru, hit_ratio_log> cache(
      device, {.shape = shape, .device = {.bytes = 16 * page}, .host = {.bytes = 80 * page}});
  const hit_ratio_log& log = serve(cache, device).watcher();

  std::puts("share of each batch's tokens that was served from a tier:");
  for (const double ratio : log.ratios()) std::putchar(" .:-=+*#%@"[static_cast<int>(ratio * 9.99)]);
  const counters::snapshot s = log.read();
  std::printf("\n%llu batches: %llu tokens from the device, %llu from the host, %llu computed\n",
              static_cast<unsigned long long>(s.batches), static_cast<unsigned long long>(s.device_tokens),
              static_cast<unsigned long long>(s.lower_tokens), static_cast<unsigned long long>(s.computed_tokens));
  std::printf("%llu KiB up in %llu copies, %llu KiB down in %llu\n",
              static_cast<unsigned long long>(s.onload_bytes / 1024), static_cast<unsigned long long>(s.onload_copies),
              static_cast<unsigned long long>(s.offload_bytes / 1024),
              static_cast<unsigned long long>(s.offload_copies));

  // Where every byte is, now: free + resident + in flight = capacity.
  const cache_stats now = cache.stats();
  for (const auto& [name, tier] : {std::pair{"device", now.device}, std::pair{"host", now.lower}}) {
    std::printf("%-6s %4llu KiB: %llu free, %llu resident, %llu in flight; %llu tokens of %llu users\n", name,
                static_cast<unsigned long long>(tier.capacity_bytes / 1024),
                static_cast<unsigned long long>(tier.free_bytes / 1024),
                static_cast<unsigned long long>(tier.resident_bytes / 1024),
                static_cast<unsigned long long>(tier.in_flight_bytes / 1024),
                static_cast<unsigned long long>(tier.resident_tokens), static_cast<unsigned long long>(now.users));
  }

  // The same workload where the host tier is far too small, and the alarm that rings.
  default_cache<emulated_device, lru, loss_alarm> cramped(
      device, {.shape = shape, .device = {.bytes = 16 * page}, .host = {.bytes = 8 * page}});
  const std::uint64_t lost = serve(cramped, device).watcher().lost;
  std::printf("with a tenth of the host memory, %llu tokens were lost\n", static_cast<unsigned long long>(lost));

  const bool right =
      s.batches == 60 && log.ratios().size() == 60 && s.device_dropped_tokens == 0 && lost != 0 &&
      s.onload_bytes + s.offload_bytes != 0 &&
      now.device.free_bytes + now.device.resident_bytes + now.device.in_flight_bytes == now.device.capacity_bytes;
  std::puts(right ? "Every token is accounted for." : "FAILED: the counts contradict each other");
  return right ? 0 : 1;
}
