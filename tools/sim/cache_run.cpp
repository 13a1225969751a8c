#include "sim/cache_run.hpp"

#include "sim/chosen_policy.hpp"
#include "sim/machine_codes.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/sized_code.hpp>
#include <kvstrata/simulate/traffic.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <cstddef>
#include <tuple>

namespace sim {
namespace {

using namespace kvstrata;

/// default_cache without a split: whatever a level has is fetched, so that what is counted are hits alone.
template <class... Codec>
using counted_cache =
    cache<tier_stack<device_slab<dataless_device, evict_front, replaced_by<chosen_policy<0>>>,
                     pinned_arena<token_write_through, evict_front, replaced_by<chosen_policy<1>>, Codec...>>,
          hybrid_layout, layerwise_transfer<batched_copy<>>, lru, traffic>;

template <class Cache>
cache_result count_with(const machine_description& m, std::span<const arrival> requests, const machine_load& load,
                        std::uint32_t batch, typename Cache::config c)
{
  c.shape = m.model.kv;
  c.costs = cost_of(m);
  dataless_device device;
  Cache cache(device, c);
  cache_simulator<Cache> sim(cache, {.batch_size = batch, .warm_up = load.warm_up});
  for (const arrival& one : requests) sim.add(one.asked);
  sim.flush();
  const tier_stats arena = cache.stats().levels[1];
  return {.counts = sim.counts(),
          .raw_capacity_bytes = arena.raw_capacity_bytes,
          .raw_bytes = arena.raw_bytes,
          .arena_tokens = arena.resident_tokens};
}

void require_some(const char* option, bool empty)
{
  if (empty) throw config_error(option, "empty", "at least one must be given");
}

}  // namespace

std::vector<cache_point> points_of(const cache_lists& l)
{
  require_some("--policies", l.policies.empty());
  require_some("--device-gib", l.device_gib.empty());
  require_some("--host-gib", l.host_gib.empty());
  check_codec_names(l.codecs, l.int4);
  check_raw_share(l.raw_share);
  std::vector<cache_point> out;
  for (const double device : l.device_gib) {
    for (const double host : l.host_gib) {
      check(machine_point{.device_gib = device, .host_gib = host, .batch = l.batch});
      for (const std::string& policy : l.policies) {
        check_policy("--policies", policy);
        for (const std::string& codec : l.codecs) out.push_back({policy, codec, device, host});
      }
    }
  }
  return out;
}

cache_result count(const machine_description& m, std::span<const arrival> requests, const machine_load& load,
                   const cache_lists& lists, const cache_point& point)
{
  const named_policy& policy = find_policy(point.policy);
  chosen_policies = {&policy, &policy};
  const tier_bytes memory = bytes_of({.device_gib = point.device_gib, .host_gib = point.host_gib}, m);
  const machine_codec& codec = find_codec(point.codec);
  if (codec.code_bytes == nullptr) {
    counted_cache<>::config c;
    std::get<0>(c.tiers).bytes = memory.device;
    std::get<1>(c.tiers).bytes = memory.host;
    return count_with<counted_cache<>>(m, requests, load, lists.batch, c);
  }
  using coded = counted_cache<sized_code<false>>;
  coded::config c;
  std::get<0>(c.tiers).bytes = memory.device;
  std::get<1>(c.tiers).bytes = memory.host;
  std::get<1>(c.tiers).codec.code_bytes = codec.code_bytes;
  std::get<1>(c.tiers).raw_share = lists.raw_share;
  return count_with<coded>(m, requests, load, lists.batch, c);
}

part_counts cache_cell::parts() const
{
  part_counts all;
  for (const cache_result& one : runs) all += one.counts.parts;
  return all;
}

mean_interval cache_cell::of(const std::function<double(const cache_result&)>& figure) const
{
  std::vector<double> all;
  for (const cache_result& one : runs) all.push_back(figure(one));
  return interval_of(all);
}

}  // namespace sim
