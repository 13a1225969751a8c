#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_paged_layer_first()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<paged_layer_first, batched,   per_page,  immediate, chunk,     by_cost,  front, whole, bounded>,
      point_of<paged_layer_first, coalesced, window,    layerwise, page,      fetch,    whole, none,  bounded>,
      point_of<paged_layer_first, window,    batched,   layerwise, selective, fetch,    front, front, bounded>,
      point_of<paged_layer_first, per_page,  window,    immediate, page,      by_cost,  whole, front, unbounded>,
      point_of<paged_layer_first, kernel,    kernel,    immediate, back,      by_cost,  front, front, unbounded>,
      point_of<paged_layer_first, staged,    staged,    immediate, chunk,     fetch,    whole, whole, unbounded>,
      point_of<paged_layer_first, coalesced, coalesced, immediate, token,     anywhere, front, whole, bounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies: paged layout, layer first", "[cache][random]")
{
  walk_points(pairs_paged_layer_first(), 4000);
}

}  // namespace kvstrata_test
