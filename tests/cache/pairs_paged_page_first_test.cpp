#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_paged_page_first()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<paged_page_first, coalesced, window,    layerwise, chunk,     by_cost,  whole, front, bounded>,
      point_of<paged_page_first, per_page,  staged,    immediate, selective, fetch,    front, whole, bounded>,
      point_of<paged_page_first, staged,    per_page,  layerwise, back,      anywhere, front, front, bounded>,
      point_of<paged_page_first, window,    window,    immediate, page,      anywhere, whole, whole, unbounded>,
      point_of<paged_page_first, batched,   coalesced, immediate, back,      fetch,    whole, front, unbounded>,
      point_of<paged_page_first, kernel,    staged,    immediate, token,     anywhere, whole, whole, bounded>,
      point_of<paged_page_first, coalesced, kernel,    layerwise, page,      fetch,    front, whole, unbounded>,
      point_of<paged_page_first, kernel,    batched,   layerwise, selective, anywhere, whole, none,  bounded>,
      point_of<paged_page_first, batched,   batched,   immediate, selective, fetch,    whole, front, unbounded>,
      point_of<paged_page_first, per_page,  staged,    immediate, selective, by_cost,  front, none,  unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies: paged layout, page first", "[cache][random]")
{
  walk_points(pairs_paged_page_first(), 5000);
}

}  // namespace kvstrata_test
