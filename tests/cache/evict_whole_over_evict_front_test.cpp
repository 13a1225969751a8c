#include "cache/combinations.hpp"

TEST_CASE("random operations on every combination: evict_whole over evict_front", "[cache][random]")
{
  kvstrata_test::walk_all_combinations<kvstrata::evict_whole, kvstrata::evict_front>(4000);
}
