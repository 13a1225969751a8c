#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_4()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<paged_page_first,   coalesced, kernel,    layerwise, page,      fetch,    front, whole, unbounded>,
      point_of<contiguous,         window,    per_page,  layerwise, token,     anywhere, front, front, bounded>,
      point_of<contiguous,         staged,    window,    immediate, selective, fetch,    whole, front, unbounded>,
      point_of<paged_layer_first,  per_page,  window,    immediate, page,      by_cost,  whole, front, unbounded>,
      point_of<contiguous,         window,    kernel,    layerwise, chunk,     by_cost,  whole, whole, unbounded>,
      point_of<paged_page_first,   kernel,    batched,   layerwise, selective, anywhere, whole, none,  bounded>,
      point_of<hybrid_page_first,  coalesced, staged,    layerwise, selective, anywhere, front, front, bounded>,
      point_of<paged_layer_first,  kernel,    kernel,    immediate, back,      by_cost,  front, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 4", "[cache][random]") { walk_points(pairs_4(), 4000); }

}  // namespace kvstrata_test
