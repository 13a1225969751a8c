#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_2()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<hybrid_layer_first, batched,   kernel,    immediate, selective, anywhere, whole, whole, unbounded>,
      point_of<contiguous,         batched,   staged,    layerwise, page,      by_cost,  front, front, bounded>,
      point_of<paged_page_first,   kernel,    staged,    immediate, token,     anywhere, whole, whole, bounded>,
      point_of<hybrid_page_first,  kernel,    per_page,  layerwise, page,      fetch,    whole, front, bounded>,
      point_of<contiguous,         coalesced, per_page,  immediate, back,      fetch,    whole, whole, unbounded>,
      point_of<hybrid_layer_first, staged,    coalesced, layerwise, page,      by_cost,  whole, whole, unbounded>,
      point_of<paged_layer_first,  batched,   per_page,  immediate, chunk,     by_cost,  front, whole, bounded>,
      point_of<hybrid_layer_first, coalesced, batched,   immediate, page,      by_cost,  front, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 2", "[cache][random]") { walk_points(pairs_2(), 2000); }

}  // namespace kvstrata_test
