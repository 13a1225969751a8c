#include "cache/combinations.hpp"

TEST_CASE("random operations on every combination: evict_whole over evict_whole", "[cache][random]")
{
  kvstrata_test::walk_all_combinations<kvstrata::evict_whole, kvstrata::evict_whole>(5000);
}
