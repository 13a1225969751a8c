// What every placement policy must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my placement") { kvstrata_test::placement_conformance(my_placement()); }
//
// With the number of copies that it makes of an item, as far as there are nodes, where it is more than one.
// Random items, pairs and members, some of which take nothing; then the same with others, going on from before.
#pragma once

#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/placement/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace kvstrata_test {

struct placing
{
  std::vector<kvstrata::placed_item> items;
  std::vector<kvstrata::item_pair> pairs;
};

/// Items in groups of `group`, nine of ten pairs within them.
inline placing random_placing(std::mt19937& random, std::uint32_t count, std::uint32_t group, std::uint32_t pairs)
{
  placing out;
  for (std::uint32_t i = 0; i < count; ++i) {
    out.items.push_back({.key = {2, 100 + i},
                         .tokens = static_cast<kvstrata::token_count>(50 + random() % 151),
                         .heat = static_cast<double>(random() % 10)});
  }
  for (std::uint32_t p = 0; p < pairs && count > 1; ++p) {
    const auto first = static_cast<std::uint32_t>(random() % count);
    const auto near = static_cast<std::uint32_t>(first / group * group + random() % group);
    const auto second = random() % 10 != 0 && near < count ? near : static_cast<std::uint32_t>(random() % count);
    if (first != second) out.pairs.push_back({first, second, 1.0 + static_cast<double>(random() % 3)});
  }
  return out;
}

template <kvstrata::placement_policy Policy>
void placement_conformance(const Policy& policy, std::size_t copies = 1)
{
  using namespace kvstrata;
  const auto is_right = [copies](const placing& what, std::span<const rendezvous_member> members,
                                 const item_placement& p) {
    REQUIRE(p.size() == what.items.size());
    REQUIRE(p.nodes().size() == members.size());
    for (std::size_t n = 0; n < members.size(); ++n) REQUIRE(p.nodes()[n] == members[n].id);
    const auto takers = static_cast<std::size_t>(std::count_if(members.begin(), members.end(), takes_some));
    for (const placed_item& one : what.items) {
      const std::span<const std::uint32_t> homes = p.homes_of(one.key);
      if (p.home_of(one.key) == item_placement::everywhere) {
        REQUIRE(takers != 0);
        REQUIRE(homes.size() == 1);
        continue;
      }
      REQUIRE(homes.size() == (std::min)(copies, takers));
      REQUIRE(p.home_of(one.key) == (takers == 0 ? item_placement::nobody : homes[0]));
      const std::set<std::uint32_t> different(homes.begin(), homes.end());
      REQUIRE(different.size() == homes.size());
      for (const std::uint32_t home : homes) REQUIRE((home < members.size() && takes_some(members[home])));
    }
    CHECK(p.home_of({3, 100}) == item_placement::nobody);  // never placed
    CHECK(p.homes_of({3, 100}).empty());
  };
  const auto same = [](const placing& what, const item_placement& a, const item_placement& b) {
    return std::all_of(what.items.begin(), what.items.end(), [&](const placed_item& one) {
      const auto mine = a.homes_of(one.key);
      const auto theirs = b.homes_of(one.key);
      return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end());
    });
  };
  std::mt19937 random(11);
  for (int round = 0; round < 20 * effort; ++round) {
    const placing what =
        random_placing(random, static_cast<std::uint32_t>(random() % 120),
                       1 + static_cast<std::uint32_t>(random() % 12), static_cast<std::uint32_t>(random() % 400));
    std::vector<rendezvous_member> members;
    for (std::uint64_t n = random() % 9; n > 0; --n) {
      members.push_back({.id = 10 * n,
                         .weight = random() % 6 == 0 ? 0 : 0.5 + static_cast<double>(random() % 4),
                         .is_draining = random() % 6 == 0});
    }
    const item_placement first = policy.place(what.items, what.pairs, members);
    is_right(what, members, first);
    REQUIRE(same(what, first, policy.place(what.items, what.pairs, members)));
    // One goes, one comes, heat moves.
    placing later = what;
    for (placed_item& one : later.items) one.heat = static_cast<double>(random() % 10);
    if (!later.items.empty()) later.items.push_back({.key = {2, 7}, .tokens = 60, .heat = 5});
    std::vector<rendezvous_member> others = members;
    if (!others.empty()) others.erase(others.begin() + static_cast<std::ptrdiff_t>(random() % others.size()));
    others.push_back({.id = 5});
    const item_placement second = policy.place(later.items, later.pairs, others, first);
    is_right(later, others, second);
    REQUIRE(same(later, second, policy.place(later.items, later.pairs, others, first)));
  }
  // Nonsense is refused in sentences.
  const std::vector<rendezvous_member> members{{.id = 1}, {.id = 2}};
  std::vector<placed_item> items{{.key = {2, 1}, .tokens = 50, .heat = 1}, {.key = {2, 2}, .tokens = 50, .heat = 2}};
  const auto refused = [&](const std::vector<item_pair>& pairs) {
    return sentence_of<config_error>([&] { static_cast<void>(policy.place(items, pairs, members)); });
  };
  CHECK(refused({{0, 2, 1}}) == "pairs[0] is 2, but there are only 2 items");
  CHECK(refused({{0, 1, 1}, {1, 1, 1}}) == "pairs[1] is 1 and 1, but a pair must be of two different items");
  CHECK(refused({{0, 1, -2}}) == "pairs[0].weight is -2.000000, but it must be a finite number, at least 0");
  items[1].heat = std::numeric_limits<double>::infinity();
  CHECK(refused({}) == "items[1].heat is inf, but it must be a finite number, at least 0");
  items[1] = items[0];
  CHECK(refused({}) == "item is 1, but it is placed twice; give each key once");
}

}  // namespace kvstrata_test
