#include "cache/combinations.hpp"

TEST_CASE("random operations on every combination: evict_front over evict_whole", "[cache][random]")
{
  kvstrata_test::walk_all_combinations<kvstrata::evict_front, kvstrata::evict_whole>(2000);
}
