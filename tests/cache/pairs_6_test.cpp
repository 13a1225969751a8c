#include "cache/pairs.hpp"

#include "cache/combinations.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

std::span<const policy_point> pairs_6()
{
  // clang-format off
  static constexpr policy_point all[] = {
      point_of<paged_page_first,   batched,   batched,   immediate, selective, fetch,    whole, front, unbounded>,
      point_of<paged_page_first,   per_page,  staged,    immediate, selective, by_cost,  front, none,  unbounded>,
      point_of<paged_layer_first,  coalesced, coalesced, immediate, token,     anywhere, front, whole, bounded>,
  };
  // clang-format on
  return all;
}

TEST_CASE("random operations on pairs of policies, part 6", "[cache][random]") { walk_points(pairs_6(), 6000); }

}  // namespace kvstrata_test
