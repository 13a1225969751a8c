// With unit sizes in one tier the control plane hits, and evicts, where the bare policy does, for every policy.
#include <kvstrata/simulate/cache_simulator.hpp>

#include "skewed.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/replacement/replacement.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/traffic.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::keys_of;
using kvstrata_test::skewed;

template <class Policy>
using one_tier = cache<tier_stack<device_slab<dataless_device>>, paged_layout, layerwise_transfer<>, Policy, traffic>;

/// Asks the control plane and the bare policy in turn; they must hit, and evict, at the same requests.
template <class Policy>
void compare_with_object_cache(const std::vector<trace_access>& all, page_count capacity)
{
  dataless_device device;
  one_tier<Policy> cache(device, unit_sizes<one_tier<Policy>>(capacity));
  cache_simulator sim(cache);
  object_cache<Policy> bare({.bytes = capacity, .objects = capacity});
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t before = bare.objects();
    const access_outcome expected = bare.request(all[i]);
    bool hit = false;
    bool evicted = false;
    sim.add(request_of(all[i], 1), [&](const batch_plan& plan) {
      hit = !plan.requests.front().in_slab.empty();
      evicted = !plan.victims.empty();
    });
    const bool made_way = expected == access_outcome::admitted && bare.objects() == before;
    if (hit != (expected == access_outcome::hit) || evicted != made_way) FAIL("request " << i << " went differently");
    hits += hit ? 1 : 0;
  }
  const simulation_counts counts = sim.counts();
  CHECK(counts.requests == all.size());
  CHECK(counts.levels[0].requests == hits);
  CHECK(counts.missed == all.size() - hits);
  CHECK(counts.levels[0].evicted == all.size() - hits - capacity);
  CHECK(counts.levels[0].dropped == counts.levels[0].evicted);
  CHECK(counts.offload_bytes == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("with unit sizes in one tier the control plane hits where the bare policy hits",
                   "[simulate][simulator]", lru, fifo, clock_sweep, sieve, lfu, slru<>, s3_fifo, arc, two_q, lirs, gdsf,
                   w_tiny_lfu)
{
  const std::vector<trace_access> all = keys_of(skewed(800, 12'000));
  for (const page_count capacity : {1U, 7U, 100U, 300U}) {
    CAPTURE(capacity);
    compare_with_object_cache<TestType>(all, capacity);
  }
}

TEST_CASE("with unit sizes the control plane hits where the bare policy hits: KuaiRand's sessions",
          "[simulate][simulator]")
{
  const auto folder = kvstrata_test::find_data("kuairand-pure-2w");
  if (!folder) SKIP_TEST("the trace kuairand-pure-2w is not on this machine");
  std::vector<trace_access> all = keys_of(read_kuairand(*folder));
  all.resize(60'000);
  compare_with_object_cache<lru>(all, 1'258);
  compare_with_object_cache<sieve>(all, 1'258);
}
