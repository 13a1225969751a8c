// Caches whose policies are chosen by name, apart for each tier.
#include "sim/chosen_policy.hpp"
#include "sim/machine_serve.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/replacement.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace sim {
namespace {

using namespace kvstrata;

constexpr std::array<named_policy, 20> policies{{{"lru", &any_replacement::of<lru>},
                                                 {"fifo", &any_replacement::of<fifo>},
                                                 {"clock", &any_replacement::of<kvstrata::clock_sweep>},
                                                 {"sieve", &any_replacement::of<sieve>},
                                                 {"lfu", &any_replacement::of<lfu>},
                                                 {"slru", &any_replacement::of<slru<>>},
                                                 {"random", &any_replacement::of<random_replacement>},
                                                 {"two_q", &any_replacement::of<two_q>},
                                                 {"arc", &any_replacement::of<arc>},
                                                 {"lirs", &any_replacement::of<lirs>},
                                                 {"s3_fifo", &any_replacement::of<s3_fifo>},
                                                 {"lru_k", &any_replacement::of<lru_k<>>},
                                                 {"correlated_lru_k", &any_replacement::of<correlated_lru_k<>>},
                                                 {"lrfu", &any_replacement::of<lrfu>},
                                                 {"w_tiny_lfu", &any_replacement::of<w_tiny_lfu>},
                                                 {"gdsf", &any_replacement::of<gdsf>},
                                                 {"hyperbolic", &any_replacement::of<hyperbolic>},
                                                 {"lhd", &any_replacement::of<lhd>},
                                                 {"locality", &any_replacement::of<locality>},
                                                 {"thorough_locality", &any_replacement::of<thorough_locality>}}};

constexpr auto names = [] {
  std::array<std::string_view, policies.size()> out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = policies[i].name;
  return out;
}();

using chosen_device_only =
    cache<tier_stack<device_slab<emulated_device, evict_front>>, paged_layout, layerwise_transfer<>, chosen_policy<0>>;
using chosen_default = cache<tier_stack<device_slab<emulated_device, evict_front, replaced_by<chosen_policy<0>>>,
                                        pinned_arena<token_write_through, evict_front, replaced_by<chosen_policy<1>>>>,
                             hybrid_layout, layerwise_transfer<batched_copy<>, split_by_cost>, lru>;

}  // namespace

std::span<const std::string_view> machine_policies() { return names; }

const named_policy& find_policy(std::string_view name)
{
  return *std::find_if(policies.begin(), policies.end(), [name](const named_policy& p) { return p.name == name; });
}

machine_result parts::serve_chosen(const machine_description& m, std::span<const arrival> requests,
                                   const machine_load& load, const machine_point& point, const std::string* row_start)
{
  chosen_policies = {&find_policy(point.slab_policy), &find_policy(point.arena_policy)};
  if (point.cache == "device_only") {
    return serve_with<chosen_device_only>(m, requests, load, point, row_start);
  }
  return serve_with<chosen_default>(m, requests, load, point, row_start);
}

}  // namespace sim
