// How rows of a pass are shared among a crew, and how far apart a product wants the rows of its right side.
#include "hstu/row_blocks.hpp"
#include "hstu/matmul.hpp"
#include "hstu/tiles.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <cstddef>
#include <vector>

TEST_CASE("each row is in one block, and no block is larger than told", "[hstu]")
{
  for (const std::size_t members : {1u, 2u, 3u}) {
    hstu::crew team(members);
    for (const hstu::row_blocks& blocks :
         std::vector<hstu::row_blocks>{{16, false}, {48, true}, {256, false}, {256, true}}) {
      for (const std::size_t rows : {0u, 1u, 15u, 16u, 17u, 100u, 511u, 1000u}) {
        constexpr std::size_t first = 7;
        std::vector<std::atomic<int>> seen(first + rows);
        std::atomic<std::size_t> widest{0}, calls{0};
        hstu::each_block(team, blocks, first, first + rows, [&](std::size_t begin, std::size_t end, std::size_t) {
          for (std::size_t row = begin; row < end; ++row) ++seen[row];
          ++calls;
          for (std::size_t now = widest; end - begin > now && !widest.compare_exchange_weak(now, end - begin);)
            continue;
        });
        INFO(rows << " rows, " << members << " members, at most " << blocks.most);
        for (std::size_t row = 0; row < seen.size(); ++row) REQUIRE(seen[row] == (row < first ? 0 : 1));
        CHECK(widest <= blocks.most);
        if (blocks.few_are_slow && rows <= blocks.most * members) CHECK(calls <= members);
      }
    }
  }
}

TEST_CASE("rows of a right side lie an odd number of cache lines apart, and nowhere two lines more than they need",
          "[hstu][products]")
{
  for (std::size_t columns = 1; columns < 3000; ++columns) {
    const std::size_t stride = hstu::spread_stride(columns);
    REQUIRE(stride % 32 == 16);
    REQUIRE(stride >= columns);
    REQUIRE(stride < columns + 32);
  }
}

TEST_CASE("tiles are halved while there are fewer than two for each worker, the last one counted", "[hstu]")
{
  const hstu::tiling two{256, 32, 2};
  CHECK(two.rows_for(208) == 64);  // of 104 rows with two heads: 64 and 40 of each
  CHECK(two.rows_for(193) == 64);
  CHECK(two.rows_for(192) == 32);
  CHECK(two.rows_for(1024) == 256);
  CHECK(two.rows_for(769) == 256);
  CHECK(two.rows_for(768) == 128);
  CHECK(two.rows_for(1) == 32);
}
