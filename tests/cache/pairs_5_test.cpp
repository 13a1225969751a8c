#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_5()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<hybrid_page_first,  staged,    batched,   layerwise, token,     by_cost,  whole, whole, unbounded>,
      point_of<hybrid_layer_first, per_page,  per_page,  layerwise, selective, by_cost,  whole, whole, bounded>,
      point_of<contiguous,         window,    coalesced, immediate, back,      fetch,    front, none,  unbounded>,
      point_of<paged_layer_first,  staged,    staged,    immediate, chunk,     fetch,    whole, whole, unbounded>,
      point_of<hybrid_page_first,  per_page,  kernel,    immediate, token,     fetch,    whole, front, bounded>,
      point_of<hybrid_page_first,  kernel,    window,    immediate, back,      by_cost,  front, whole, unbounded>,
      point_of<hybrid_layer_first, window,    staged,    immediate, back,      anywhere, front, whole, unbounded>,
      point_of<hybrid_page_first,  per_page,  coalesced, layerwise, chunk,     anywhere, front, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 5", "[cache][random]") { walk_points(pairs_5(), 5000); }

}  // namespace kvstrata_test
