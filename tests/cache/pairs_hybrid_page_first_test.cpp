#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_hybrid_page_first()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<hybrid_page_first, kernel,    per_page,  layerwise, page,      fetch,    whole, front, bounded>,
      point_of<hybrid_page_first, window,    coalesced, layerwise, selective, fetch,    whole, front, unbounded>,
      point_of<hybrid_page_first, staged,    per_page,  layerwise, chunk,     by_cost,  whole, none,  bounded>,
      point_of<hybrid_page_first, batched,   batched,   layerwise, selective, anywhere, front, front, bounded>,
      point_of<hybrid_page_first, coalesced, staged,    layerwise, selective, anywhere, front, front, bounded>,
      point_of<hybrid_page_first, staged,    batched,   layerwise, token,     by_cost,  whole, whole, unbounded>,
      point_of<hybrid_page_first, per_page,  kernel,    immediate, token,     fetch,    whole, front, bounded>,
      point_of<hybrid_page_first, kernel,    window,    immediate, back,      by_cost,  front, whole, unbounded>,
      point_of<hybrid_page_first, per_page,  coalesced, layerwise, chunk,     anywhere, front, front, unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies: hybrid layout, page first", "[cache][random]")
{
  walk_points(pairs_hybrid_page_first(), 3000);
}

}  // namespace kvstrata_test
