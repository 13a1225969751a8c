// A control plane at work, on a device that costs nothing: hits in both tiers, write-back, eviction, delayed writes,
// cleaning, prefetch, pressure, erasing. tracker_cost.cmake counts the instructions of it.
//
//   tracker_cost BATCHES
#include <kvstrata/cache.hpp>
#include <kvstrata/observe/concepts.hpp>
#ifdef KVSTRATA_COUNTED
#include <kvstrata/observe/counters.hpp>
#endif
#include <kvstrata/simulate/dataless_device.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using namespace kvstrata;

#ifdef KVSTRATA_COUNTED  // the planted fault: a tracker that is not empty
using ear = counters;
#else
using ear = no_tracker;
#endif

int main(int argc, char** argv)
{
  const long batches = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (batches <= 0) {
    std::fputs("tracker_cost wants a number of batches, at least 1\n", stderr);
    return 2;
  }
  using cache_type = default_cache<dataless_device, lru, ear>;
  dataless_device device;
  const geometry shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
  const std::size_t page = page_bytes(shape, 32);
  cache_type cache(device, {.shape = shape,
                            .tiers = {{.bytes = 400 * page}, {.bytes = 2000 * page}},
                            .writes = {.in_flight_bytes = 16 * page, .clean_above = 0.2, .clean_below = 0.1}});
  const stream_id compute = device.create_stream("compute");

  std::mt19937 random(1);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::vector<token_count> history(120, 500);
  std::optional<cache_type::lease> held;
  std::uint64_t computed = 0;
  std::uint64_t turned_away = 0;
  for (long batch = 0; batch < batches; ++batch) {
    std::vector<request> requests;
    const std::uint32_t first = below(120);
    for (std::uint32_t k = 0; k < 4; ++k) {
      token_count& tokens = history[(first + 7 * k) % 120];
      tokens = tokens > 3000 ? 500 : tokens + below(60);
      requests.push_back({.user = user_id{(first + 7 * k) % 120}, .history_tokens = tokens});
    }
    if (below(8) == 0) static_cast<void>(cache.prefetch(requests.front()));
    if (below(16) == 0) static_cast<void>(cache.clean(256));
    if (below(16) == 0) static_cast<void>(cache.erase(user_id{below(120)}));
    auto prepared = cache.prepare(requests, compute);
    if (!prepared) {
      ++turned_away;
      held.reset();
      continue;
    }
    auto lease = *std::move(prepared);
    for (std::size_t i = 0; i < lease.size(); ++i) computed += lease.sources(i).computed;
    for (layer_index layer = 0; layer < shape.layers; ++layer) lease.layer_done(layer);
    lease.commit();
    if (below(3) == 0) held = std::move(lease);
  }
  held.reset();
  const cache_stats s = cache.stats();
  std::printf("%llu computed, %llu turned away, %llu and %llu evicted\n", static_cast<unsigned long long>(computed),
              static_cast<unsigned long long>(turned_away), static_cast<unsigned long long>(s.levels[0].evicted_tokens),
              static_cast<unsigned long long>(s.levels[1].evicted_tokens));
  return computed != 0 && turned_away != 0 && s.levels[0].evicted_tokens != 0 && s.levels[1].evicted_tokens != 0 ? 0
                                                                                                                 : 1;
}
