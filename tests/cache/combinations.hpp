// All layouts, transfers, copy engines and write policies over one pair of shedding policies: what each of the files
// evict_*_test.cpp walks through, so that no compiler has to take them all at once.
#pragma once

#include "cache/random_walk.hpp"
#include "support/catch.hpp"

#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace kvstrata_test {

/// `Below` is void for a device tier alone.
template <class Above, class Below, class Layout, class Writes>
void walk_all_transfers(std::uint64_t seed)
{
  using namespace kvstrata;
  const point points[] = {
      point_of<combination<Above, Below, Layout, layerwise_transfer<coalesced_copy, Writes>>>,
      point_of<combination<Above, Below, Layout, layerwise_transfer<per_page_copy, Writes>>>,
      point_of<combination<Above, Below, Layout, immediate_transfer<coalesced_copy, Writes>>>,
      point_of<combination<Above, Below, Layout, immediate_transfer<per_page_copy, Writes>>>,
  };
  walk_points(points, seed);
}

template <class Above, class Below>
void walk_all_combinations(std::uint64_t seed)
{
  using namespace kvstrata;
  SECTION("paged_layout, page_write_through")
  {
    walk_all_transfers<Above, Below, paged_layout, page_write_through>(seed);
  }
  SECTION("paged_layout, chunk_write_through")
  {
    walk_all_transfers<Above, Below, paged_layout, chunk_write_through>(seed + 100);
  }
  SECTION("hybrid_layout, page_write_through")
  {
    walk_all_transfers<Above, Below, hybrid_layout, page_write_through>(seed + 200);
  }
  SECTION("hybrid_layout, chunk_write_through")
  {
    walk_all_transfers<Above, Below, hybrid_layout, chunk_write_through>(seed + 300);
  }
}

}  // namespace kvstrata_test
