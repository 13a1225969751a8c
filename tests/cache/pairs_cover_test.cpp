// Do the parts of the covering set cover?
#include "cache/pairs.hpp"
#include "support/catch.hpp"

#include <set>
#include <span>
#include <string>
#include <vector>

namespace kvstrata_test {

// A point without a lower tier moves nothing: it counts only for the pairs that have `none` in them.
TEST_CASE("every two values of two axes meet in a cache that is walked", "[cache][random]")
{
  const std::vector<std::vector<std::string>> axes = {
      {"paged_page_first", "paged_layer_first", "hybrid_layer_first", "hybrid_page_first", "contiguous"},
      {"per_page", "coalesced", "batched", "staged", "window", "kernel"},
      {"per_page", "coalesced", "batched", "staged", "window", "kernel"},
      {"layerwise", "immediate"},
      {"page", "token", "chunk", "back", "selective"},
      {"fetch", "anywhere", "by_cost"},
      {"front", "whole"},
      {"front", "whole", "none"},
      {"unbounded", "bounded"},
  };
  constexpr std::size_t below = 7;
  std::set<std::vector<std::string>> met;
  for (const auto part : {pairs_contiguous(), pairs_hybrid_layer_first(), pairs_hybrid_page_first(),
                          pairs_paged_layer_first(), pairs_paged_page_first()}) {
    for (const policy_point& where : part) {
      const facts f = where.about({});
      REQUIRE(f.axes.size() == axes.size());
      for (std::size_t i = 0; i < axes.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (f.levels == 1 && i != below && j != below) continue;
          met.insert({std::to_string(j), f.axes[j], std::to_string(i), f.axes[i]});
        }
      }
    }
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      for (const std::string& a : axes[j]) {
        for (const std::string& b : axes[i]) {
          CAPTURE(a, b);
          CHECK(met.count({std::to_string(j), a, std::to_string(i), b}) == 1);
        }
      }
    }
  }
}

}  // namespace kvstrata_test
