// Your first policy, from idea to curve to cache: docs/tutorials/your-first-policy.md walks through this file and
// examples/policies/probation.hpp.
//
//   example_09_your_first_policy [TRACE]     a file or folder of any known format; without it a synthetic workload
#include <kvstrata/cache.hpp>
#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/readers/requests.hpp>
#include <kvstrata/simulate/sweep.hpp>

#include "policies/probation.hpp"

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

using namespace kvstrata;

constexpr double shares[] = {0.01, 0.05, 0.1, 0.2, 0.5};

[[nodiscard]] tier_size room_for(std::uint64_t objects) { return {.bytes = objects, .objects = objects}; }

// --- by hand: three requests, one cache ------------------------------------------------------------------------------
template <class Policy>
bool keeps_the_regular()
{
  object_cache<Policy> cache(room_for(2));
  cache.request(trace_access{.key = 7});
  cache.request(trace_access{.key = 7});  // 7 came back: it is trusted
  cache.request(trace_access{.key = 1});
  cache.request(trace_access{.key = 2});  // somebody has to go: 1, not 7
  return cache.request(trace_access{.key = 7}) == access_outcome::hit;
}

// --- the curve: all caches in one pass over the trace ------------------------------------------------------------------
struct curve
{
  std::string name;
  std::vector<double> hits;  // a share
};

template <class Policy>
curve draw(const char* name, memory_source& trace, std::uint64_t objects)
{
  std::vector<std::unique_ptr<sweep_instance>> caches;
  for (const double share : shares) {
    const auto room = static_cast<std::uint64_t>(share * static_cast<double>(objects));
    caches.push_back(std::make_unique<sweep_instance_of<Policy>>(room_for(room)));
  }
  trace.rewind();
  const sweep_account asked = run_sweep(trace, caches);
  curve drawn{name, {}};
  for (const auto& cache : caches) drawn.hits.push_back(1 - miss_ratios(cache->misses(), asked.counted).requests);
  std::printf("%-14s", name);
  for (const double hit : drawn.hits) std::printf(" %7.2f", 100 * hit);
  std::printf("\n");
  return drawn;
}

// --- the real cache: the policy is one template argument ---------------------------------------------------------------
template <class Policy>
using one_tier = device_only_cache<dataless_device, Policy>;
template <class Policy>
using two_tiers = default_cache<dataless_device, Policy>;

template <class Policy>
double hits_in_the_cache(memory_source& trace, std::uint64_t objects)
{
  dataless_device device;
  one_tier<Policy> cache(device, unit_sizes<one_tier<Policy>>(static_cast<page_count>(objects)));
  cache_simulator simulator(cache);
  trace.rewind();
  simulator.run(trace, [](const trace_access&) { return token_count{1}; });
  const simulation_counts seen = simulator.counts();
  return static_cast<double>(seen.levels[0].requests) / static_cast<double>(seen.requests);
}

template <class Policy>
void serve_histories(const char* name, memory_source& trace)
{
  dataless_device device;
  const geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
  two_tiers<Policy> cache(
      device, {.shape = shape, .tiers = {{.bytes = std::size_t{20} << 30}, {.bytes = std::size_t{80} << 30}}});
  cache_simulator simulator(cache);
  trace.rewind();
  simulator.run(trace, [](const trace_access& asked) { return asked.tokens; });
  const simulation_counts seen = simulator.counts();
  const auto percent = [&](std::uint64_t tokens) {
    return 100.0 * static_cast<double>(tokens) / static_cast<double>(seen.tokens());
  };
  std::printf("%-14s %5.1f %% from the slab, %5.1f %% from the arena, %5.1f %% computed\n", name,
              percent(seen.levels[0].tokens), percent(seen.levels[1].tokens), percent(seen.computed_tokens));
}

bool run(memory_source trace)
{
  const bool by_hand = keeps_the_regular<example::probation<>>() && !keeps_the_regular<lru>();

  const footprint whole = measure_footprint(trace);
  std::printf("%s: %llu requests for %llu objects. Hits in %% with room for so many %% of them:\n%-14s",
              std::string(trace.name()).c_str(), static_cast<unsigned long long>(whole.requests),
              static_cast<unsigned long long>(whole.objects), "");
  for (const double share : shares) std::printf(" %5.0f %%", 100 * share);
  std::printf("\n");
  const curve baseline = draw<lru>("lru", trace, whole.objects);
  const curve first = draw<example::probation<10>>("probation<10>", trace, whole.objects);
  const curve second = draw<example::probation<33>>("probation<33>", trace, whole.objects);
  const curve best = draw<belady>("belady", trace, whole.objects);

  // The same type in the real cache, one user an object, 20 % of the users: not nearly the same hits, but the same.
  const auto room = static_cast<std::uint64_t>(shares[3] * static_cast<double>(whole.objects));
  const double real = hits_in_the_cache<example::probation<33>>(trace, room);
  std::printf("\nprobation<33> in the cache itself, room for %.0f %%: %.2f %%\n", 100 * shares[3], 100 * real);

  std::printf("\nTokens, with histories, a slab of 20 GiB and an arena of 80 GiB:\n");
  if (trace.accesses().front().tokens > 0) {
    serve_histories<lru>("lru", trace);
    serve_histories<example::probation<33>>("probation<33>", trace);
  } else {
    std::printf("this trace has none\n");
  }

  bool right = by_hand && real == second.hits[3];
  for (std::size_t k = 0; k < std::size(shares); ++k) {
    for (const curve* one : {&baseline, &first, &second}) right = right && one->hits[k] <= best.hits[k];
  }
  return right;
}

int main(int argc, char** argv)
try {
  const bool right =
      run(argc > 1 ? with_future(open_trace(argv[1])) : with_future(synthetic_accesses({.users = 2000})));
  std::puts(right ? "\nThe simulator and the cache agree." : "\nFAILED: this is not what the tutorial says");
  return right ? 0 : 1;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "%s\n", wrong.what());
  return 2;
}
