// default_cache whose arena keeps codes. Compiled apart for codecs that lose nothing and for lossy ones.
#pragma once

#include "sim/chosen_codes.hpp"
#include "sim/chosen_policy.hpp"
#include "sim/machine_codes.hpp"
#include "sim/machine_serve.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/simulate/sized_code.hpp>

namespace sim::parts {

template <bool Lossy>
using coding_cache = kvstrata::cache<
    kvstrata::tier_stack<kvstrata::device_slab<kvstrata::emulated_device, kvstrata::evict_front,
                                               kvstrata::replaced_by<chosen_policy<0>>>,
                         kvstrata::pinned_arena<kvstrata::token_write_through, kvstrata::evict_front,
                                                kvstrata::replaced_by<chosen_policy<1>>, kvstrata::sized_code<Lossy>>>,
    kvstrata::hybrid_layout,
    kvstrata::layerwise_transfer<kvstrata::batched_copy<>, chosen_codes, kvstrata::split_by_cost>, kvstrata::lru,
    kvstrata::counters>;

template <bool Lossy>
machine_result serve_coding(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                            const machine_load& load, const machine_point& point, const std::string* row_start)
{
  const machine_codec& codec = find_codec(point.codec);
  chosen_policies = {&find_policy(point.slab_policy), &find_policy(point.arena_policy)};
  codes_are_staged = point.codes == "staged";
  const kvstrata::cost_model cost = cost_of(with_shorter_pages(m, code_ratio(codec, m)));
  machine_result out = serve_with<coding_cache<Lossy>>(m, requests, load, point, row_start, [&](auto& c) {
    std::get<1>(c.tiers).codec.code_bytes = codec.code_bytes;
    std::get<1>(c.tiers).raw_share = point.raw_share;
    c.split.cost = cost;
    c.costs = cost;
  });
  out.code_sm_seconds *= codes_are_staged ? staged_sms : direct_sms;
  return out;
}

}  // namespace sim::parts
