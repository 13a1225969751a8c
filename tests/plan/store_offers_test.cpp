// What stores offer to the requests of a batch: against a map.
#include "support/catch.hpp"

#include <kvstrata/plan/store_offers.hpp>

#include <cstddef>
#include <map>
#include <random>
#include <type_traits>

namespace {

using namespace kvstrata;

[[nodiscard]] bool same(const store_offer& a, const store_offer& b)
{
  return a.level == b.level && a.tokens == b.tokens && a.inexact_from == b.inexact_from;
}

}  // namespace

TEST_CASE("store_offers: each request has what was added last, the others nothing", "[plan]")
{
  std::mt19937 random(24);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  store_offers<2> all;
  for (int batch = 0; batch < 500; ++batch) {
    all.clear();
    CHECK(all.empty());
    std::map<std::size_t, store_offer> wanted;
    for (std::uint32_t n = below(6); n != 0; --n) {
      const token_count begin = below(20);
      const store_offer offer{.level = static_cast<level_index>(2 + below(2)),
                              .tokens = {begin, begin + 1 + below(9)},
                              .inexact_from = below(2) == 0 ? all_exact : begin};
      const std::size_t request = below(8);
      all.add(request, offer);
      wanted[request] = offer;
    }
    REQUIRE(all.empty() == wanted.empty());
    std::size_t from[4] = {};
    for (std::size_t request = 0; request < 12; ++request) {
      const auto at = wanted.find(request);
      REQUIRE(same(all.of(request), at == wanted.end() ? store_offer{} : at->second));
      if (at != wanted.end()) ++from[at->second.level];
    }
    REQUIRE((all.from(2) == from[2] && all.from(3) == from[3] && all.from(1) == 0));
  }
}

TEST_CASE("store_offers: where a stack has no store nothing is offered, and nothing kept", "[plan]")
{
  static_assert(std::is_empty_v<store_offers<0>>);
  constexpr store_offers<0> none;
  none.clear();
  CHECK(same(none.of(3), store_offer{}));
  CHECK(store_offer{}.level == 0);
  CHECK(store_offer{}.inexact_from == all_exact);
}
