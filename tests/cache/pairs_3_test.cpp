#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_3()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<contiguous,         staged,    kernel,    layerwise, chunk,     anywhere, whole, whole, bounded>,
      point_of<hybrid_layer_first, kernel,    batched,   layerwise, chunk,     by_cost,  whole, whole, unbounded>,
      point_of<hybrid_page_first,  window,    coalesced, layerwise, selective, fetch,    whole, front, unbounded>,
      point_of<hybrid_page_first,  staged,    per_page,  layerwise, chunk,     by_cost,  whole, none,  bounded>,
      point_of<paged_layer_first,  coalesced, window,    layerwise, page,      fetch,    whole, none,  bounded>,
      point_of<paged_layer_first,  window,    batched,   layerwise, selective, fetch,    front, front, bounded>,
      point_of<hybrid_page_first,  batched,   batched,   layerwise, selective, anywhere, front, front, bounded>,
      point_of<contiguous,         per_page,  batched,   immediate, back,      anywhere, front, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 3", "[cache][random]") { walk_points(pairs_3(), 3000); }

}  // namespace kvstrata_test
