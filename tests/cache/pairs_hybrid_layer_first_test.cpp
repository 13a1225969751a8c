#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_hybrid_layer_first()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<hybrid_layer_first, batched,   window,    layerwise, token,     fetch,    front, whole, unbounded>,
      point_of<hybrid_layer_first, batched,   kernel,    immediate, token,     anywhere, front, none,  unbounded>,
      point_of<hybrid_layer_first, batched,   kernel,    immediate, selective, anywhere, whole, whole, unbounded>,
      point_of<hybrid_layer_first, staged,    coalesced, layerwise, page,      by_cost,  whole, whole, unbounded>,
      point_of<hybrid_layer_first, coalesced, batched,   immediate, page,      by_cost,  front, front, unbounded>,
      point_of<hybrid_layer_first, kernel,    batched,   layerwise, chunk,     by_cost,  whole, whole, unbounded>,
      point_of<hybrid_layer_first, per_page,  per_page,  layerwise, selective, by_cost,  whole, whole, bounded>,
      point_of<hybrid_layer_first, window,    staged,    immediate, back,      anywhere, front, whole, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies: hybrid layout, layer first", "[cache][random]")
{
  walk_points(pairs_hybrid_layer_first(), 2000);
}

}  // namespace kvstrata_test
