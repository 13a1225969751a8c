// What a cache and a store had to do with each other: figures of two are added one by one, none left out.
#include "support/catch.hpp"

#include <kvstrata/books/store_figures.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>

namespace {

using namespace kvstrata;

/// All of them are counts of 64 bits.
using figures = std::array<std::uint64_t, sizeof(store_figures) / sizeof(std::uint64_t)>;
static_assert(sizeof(figures) == sizeof(store_figures));

}  // namespace

TEST_CASE("store_figures: adding adds each figure to the same of the other", "[books]")
{
  CHECK(std::bit_cast<figures>(store_figures{}) == figures{});
  std::mt19937_64 random(23);
  for (int round = 0; round < 100; ++round) {
    figures a, b, sum;
    for (std::size_t i = 0; i < a.size(); ++i) sum[i] = (a[i] = random() >> 1U) + (b[i] = random() >> 1U);
    auto both = std::bit_cast<store_figures>(a);
    CHECK(&(both += std::bit_cast<store_figures>(b)) == &both);
    REQUIRE(std::bit_cast<figures>(both) == sum);
  }
}
