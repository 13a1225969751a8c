#include "cache/combinations.hpp"

TEST_CASE("random operations on every combination: evict_front without a lower tier", "[cache][random]")
{
  kvstrata_test::walk_all_combinations<kvstrata::evict_front, void>(3000);
}
