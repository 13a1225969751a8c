#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_1()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<paged_page_first,   coalesced, window,    layerwise, chunk,     by_cost,  whole, front, bounded>,
      point_of<paged_page_first,   per_page,  staged,    immediate, selective, fetch,    front, whole, bounded>,
      point_of<paged_page_first,   staged,    per_page,  layerwise, back,      anywhere, front, front, bounded>,
      point_of<paged_page_first,   window,    window,    immediate, page,      anywhere, whole, whole, unbounded>,
      point_of<contiguous,         kernel,    coalesced, layerwise, selective, by_cost,  whole, whole, bounded>,
      point_of<hybrid_layer_first, batched,   window,    layerwise, token,     fetch,    front, whole, unbounded>,
      point_of<hybrid_layer_first, batched,   kernel,    immediate, token,     anywhere, front, none,  unbounded>,
      point_of<paged_page_first,   batched,   coalesced, immediate, back,      fetch,    whole, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 1", "[cache][random]") { walk_points(pairs_1(), 1000); }

}  // namespace kvstrata_test
