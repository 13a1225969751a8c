#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_contiguous()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<contiguous, kernel,    coalesced, layerwise, selective, by_cost,  whole, whole, bounded>,
      point_of<contiguous, batched,   staged,    layerwise, page,      by_cost,  front, front, bounded>,
      point_of<contiguous, coalesced, per_page,  immediate, back,      fetch,    whole, whole, unbounded>,
      point_of<contiguous, staged,    kernel,    layerwise, chunk,     anywhere, whole, whole, bounded>,
      point_of<contiguous, per_page,  batched,   immediate, back,      anywhere, front, front, unbounded>,
      point_of<contiguous, window,    per_page,  layerwise, token,     anywhere, front, front, bounded>,
      point_of<contiguous, staged,    window,    immediate, selective, fetch,    whole, front, unbounded>,
      point_of<contiguous, window,    kernel,    layerwise, chunk,     by_cost,  whole, whole, unbounded>,
      point_of<contiguous, window,    coalesced, immediate, back,      fetch,    front, none,  unbounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies: contiguous layout", "[cache][random]")
{
  walk_points(pairs_contiguous(), 1000);
}

}  // namespace kvstrata_test
