// Placements: balanced, better than a hash, near the best there is where one can try them all, and steady when things change.
#include "routing/placement_conformance.hpp"

#include <kvstrata/routing/placement/hash_placement.hpp>
#include <kvstrata/routing/placement/item_counts.hpp>
#include <kvstrata/routing/placement/stratified_placement.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

std::vector<rendezvous_member> nodes_of(std::uint32_t count)
{
  std::vector<rendezvous_member> out;
  for (std::uint32_t n = 0; n < count; ++n) out.push_back({.id = 1000 + n});
  return out;
}

/// Weight of the pairs that some node has both of.
double together(const placing& what, const item_placement& p)
{
  double sum = 0;
  for (const item_pair& both : what.pairs) {
    for (std::size_t n = 0; n < p.nodes().size(); ++n) {
      if (!p.keeps(n, what.items[both.first].key) || !p.keeps(n, what.items[both.second].key)) continue;
      sum += both.weight;
      break;
    }
  }
  return sum;
}

/// The fullest node's share of heat or tokens, whichever is more, in units of a fair one. Of what is divided, in one of the divisions.
double fullest(const placing& what, const item_placement& p, std::size_t division = 0)
{
  std::vector<std::array<double, 2>> has(p.nodes().size());
  std::array<double, 2> all{};
  for (const placed_item& one : what.items) {
    const std::uint32_t home = p.homes_of(one.key)[p.home_of(one.key) == item_placement::everywhere ? 0 : division];
    if (home == item_placement::everywhere) continue;
    const std::array<double, 2> mine{one.heat, static_cast<double>(one.tokens)};
    for (std::size_t k = 0; k < 2; ++k) {
      has[home][k] += mine[k];
      all[k] += mine[k];
    }
  }
  double most = 0;
  for (const auto& one : has) {
    for (std::size_t k = 0; k < 2; ++k) {
      if (all[k] > 0) most = (std::max)(most, one[k] / all[k] * static_cast<double>(has.size()));
    }
  }
  return most;
}

}  // namespace

TEST_CASE("placements: all do what placements must", "[routing][placement]")
{
  placement_conformance(hash_placement());
  placement_conformance(hash_placement{.copies = 3}, 3);
  placement_conformance(stratified_placement(), 2);
  placement_conformance(stratified_placement({.copies = 1}));
  placement_conformance(stratified_placement({.hot_share = 0.1, .slack = 0, .passes = 0, .copies = 3}), 3);
  placement_conformance(stratified_placement({.hot_share = 1}), 2);
}

TEST_CASE("placements: groups stay together, in balance, where a hash tears them apart", "[routing][placement]")
{
  std::mt19937 random(5);
  for (const std::uint32_t nodes : {4U, 10U}) {
    const placing what = random_placing(random, 2000, 20, 30'000);
    const auto members = nodes_of(nodes);
    double all = 0;
    for (const item_pair& p : what.pairs) all += p.weight;
    const item_placement by_hash = hash_placement().place(what.items, what.pairs, members);
    const item_placement built =
        stratified_placement({.hot_share = 0, .copies = 1}).place(what.items, what.pairs, members);
    CAPTURE(nodes);
    // Of a hash 1/nodes lies together; nine tenths of the pairs are within groups, and some of the rest by chance.
    CHECK(std::abs(together(what, by_hash) / all - 1.0 / nodes) < 0.03);
    CHECK(together(what, built) / all > 0.85);
    CHECK(fullest(what, built) < 1.05 + 1e-6);
  }
}

TEST_CASE("placements: refinement brings more together, and keeps the balance", "[routing][placement]")
{
  std::mt19937 random(6);
  double before = 0;
  double after = 0;
  for (int round = 0; round < 10; ++round) {
    const placing what = random_placing(random, 300, 13, 1500);
    const auto members = nodes_of(7);
    const auto with = [&](std::uint32_t passes) {
      return stratified_placement({.hot_share = 0, .slack = 0.1, .passes = passes, .copies = 1})
          .place(what.items, what.pairs, members);
    };
    const double grown = together(what, with(0));
    const double refined = together(what, with(8));
    CHECK(refined >= grown);
    CHECK(fullest(what, with(8)) <= (std::max)(fullest(what, with(0)), 1.1 + 1e-6));
    before += grown;
    after += refined;
  }
  CHECK(after > 1.02 * before);
}

TEST_CASE("placements: on tiny graphs it comes near the best of all divisions", "[routing][placement]")
{
  std::mt19937 random(8);
  double found = 0;
  double best_of_all = 0;
  int exact = 0;
  constexpr int rounds = 60;
  for (int round = 0; round < rounds; ++round) {
    const std::uint32_t nodes = round % 2 == 0 ? 2 : 3;
    const std::uint32_t count = nodes == 2 ? 10 : 9;
    placing what = random_placing(random, count, 3, 22);
    for (placed_item& one : what.items) one = {.key = one.key, .tokens = 100, .heat = 1};
    const auto members = nodes_of(nodes);
    const item_placement built =
        stratified_placement({.hot_share = 0, .slack = 0.21, .copies = 1}).place(what.items, what.pairs, members);
    const double mine = together(what, built);
    CHECK(fullest(what, built) <= 1.21);
    double best = 0;
    std::uint64_t all = 1;
    for (std::uint32_t i = 0; i < count; ++i) all *= nodes;
    for (std::uint64_t division = 0; division < all; ++division) {
      std::vector<std::uint32_t> home(count);
      std::vector<double> has(nodes);
      std::uint64_t left = division;
      for (std::uint32_t i = 0; i < count; ++i, left /= nodes) {
        home[i] = static_cast<std::uint32_t>(left % nodes);
        has[home[i]] += 1;
      }
      if (*std::max_element(has.begin(), has.end()) > 1.21 * count / nodes) continue;
      double sum = 0;
      for (const item_pair& p : what.pairs) sum += home[p.first] == home[p.second] ? p.weight : 0;
      best = (std::max)(best, sum);
    }
    REQUIRE(mine <= best);
    found += mine;
    best_of_all += best;
    exact += mine == best ? 1 : 0;
  }
  CAPTURE(found, best_of_all, exact);
  CHECK(found > 0.95 * best_of_all);
  CHECK(2 * exact > rounds);
}

TEST_CASE("placements: the stated share of items, the hottest, is everywhere", "[routing][placement]")
{
  std::mt19937 random(9);
  placing what = random_placing(random, 1000, 10, 3000);
  for (std::size_t i = 0; i < what.items.size(); ++i) what.items[i].heat = static_cast<double>((i * 37) % 1000);
  const item_placement p = stratified_placement({.hot_share = 0.02}).place(what.items, what.pairs, nodes_of(5));
  for (const placed_item& one : what.items) {
    CHECK((p.home_of(one.key) == item_placement::everywhere) == (one.heat >= 980));
  }
  // What nobody asked for is not hot, whatever the share.
  for (placed_item& one : what.items) one.heat = one.heat >= 995 ? 1 : 0;
  const item_placement few = stratified_placement({.hot_share = 1}).place(what.items, what.pairs, nodes_of(5));
  for (const placed_item& one : what.items) {
    CHECK((few.home_of(one.key) == item_placement::everywhere) == (one.heat > 0));
  }
}

TEST_CASE("placements: nodes get what their weights say, and nobody goes empty", "[routing][placement]")
{
  std::mt19937 random(10);
  const placing what = random_placing(random, 3000, 10, 20'000);
  std::vector<rendezvous_member> members = nodes_of(3);
  members[1].weight = 2;
  const item_placement p = stratified_placement({.hot_share = 0, .copies = 1}).place(what.items, what.pairs, members);
  std::array<double, 3> tokens{};
  double all = 0;
  for (const placed_item& one : what.items) {
    tokens[p.home_of(one.key)] += one.tokens;
    all += one.tokens;
  }
  CHECK(tokens[0] / all <= 0.25 * 1.05 + 1e-6);
  CHECK(tokens[1] / all <= 0.5 * 1.05 + 1e-6);
  CHECK(tokens[1] / all >= 0.5 - 2 * 0.25 * 0.05 - 1e-6);
  // One clique, with room for all of it on one node, and as many items as nodes.
  placing clique;
  for (std::uint32_t i = 0; i < 6; ++i) clique.items.push_back({.key = {2, i}, .tokens = 10, .heat = 1});
  for (std::uint32_t i = 0; i < 6; ++i) {
    for (std::uint32_t j = i + 1; j < 6; ++j) clique.pairs.push_back({i, j, 1});
  }
  const item_placement torn =
      stratified_placement({.hot_share = 0, .slack = 1, .copies = 1}).place(clique.items, clique.pairs, nodes_of(6));
  std::array<int, 6> has{};
  for (const placed_item& one : clique.items) ++has[torn.home_of(one.key)];
  CHECK(*std::min_element(has.begin(), has.end()) == 1);
}

TEST_CASE("placements: going on from before moves little, and mends what changed", "[routing][placement]")
{
  std::mt19937 random(12);
  placing what = random_placing(random, 2000, 20, 30'000);
  const stratified_placement policy({.hot_share = 0.005, .copies = 1});
  const auto members = nodes_of(8);
  std::uint64_t all = 0;
  for (const placed_item& one : what.items) all += one.tokens;
  const item_placement before = policy.place(what.items, what.pairs, members);
  CHECK(moved_tokens(what.items, before, before) == 0);
  CHECK(moved_tokens(what.items, item_placement(), before) >= all);

  // Nothing has changed: next to nothing moves.
  const item_placement same = policy.place(what.items, what.pairs, members, before);
  CHECK(moved_tokens(what.items, before, same) < all / 100);

  // Heat has moved: what was in balance is no more, and is again; from scratch nearly everything would move.
  placing later = what;
  for (std::uint32_t i = 0; i < 2000; ++i) later.items[i].heat *= i / 20 % 8 == 0 ? 3 : 1;
  const item_placement kept = policy.place(later.items, later.pairs, members, before);
  const item_placement anew = policy.place(later.items, later.pairs, members);
  CHECK(fullest(later, before) > 1.05 + 1e-6);
  CHECK(fullest(later, kept) < 1.05 + 1e-6);
  CHECK(moved_tokens(later.items, before, kept) < all / 3);
  CHECK(moved_tokens(later.items, before, kept) < moved_tokens(later.items, before, anew));
  CHECK(together(later, kept) > 0.97 * together(later, anew));

  // A node vanishes: what it had is nobody's until things are placed anew; the others keep most of theirs.
  std::vector<rendezvous_member> fewer(members.begin() + 1, members.end());
  const item_placement mended = policy.place(what.items, what.pairs, fewer, before);
  std::uint64_t had = 0;
  for (const placed_item& one : what.items) had += before.home_of(one.key) == 0 ? one.tokens : 0;
  CHECK(moved_tokens(what.items, before, mended) >= had);
  CHECK(moved_tokens(what.items, before, mended) < 2 * had);
  CHECK(fullest(what, mended) < 1.05 + 1e-6);
}

TEST_CASE("placements: what a node has of a request", "[routing][placement]")
{
  item_placement p(std::vector<std::uint64_t>{7, 8, 9});
  p.add({2, 1}, 0);
  p.add({2, 2}, 0);
  p.add({2, 3}, 2);
  p.add({2, 4}, item_placement::everywhere);
  p.add({2, 5}, item_placement::nobody);
  std::vector<double> hits(3, 9);
  p.hit_shares(std::vector<sequence_key>{{2, 1}, {2, 3}, {2, 4}, {2, 5}}, hits);
  CHECK(hits == std::vector<double>{0.5, 0.25, 0.5});
  p.hit_shares(std::vector<sequence_key>{{2, 1}, {2, 2}, {3, 1}, {2, 99}}, hits);
  CHECK(hits == std::vector<double>{0.5, 0, 0});
  p.hit_shares({}, hits);
  CHECK(hits == std::vector<double>{0, 0, 0});
  std::vector<double> fewer(1, 9);
  p.hit_shares(std::vector<sequence_key>{{2, 1}, {2, 3}}, fewer);
  CHECK(fewer == std::vector<double>{0.5});
  CHECK(p.keeps(1, {2, 4}));
  CHECK(!p.keeps(1, {2, 1}));
  CHECK(p.keeps(0, {2, 1}));
  CHECK(!p.keeps(0, {2, 5}));
  CHECK(sentence_of<config_error>([&] { p.add({2, 6}, 3); }) == "the home of item 6 is 3, but there are only 3 nodes");
  CHECK(p.size() == 5);
  CHECK(item_placement().home_of({2, 1}) == item_placement::nobody);
}

TEST_CASE("placements: heats and pairs are counted from requests", "[routing][placement]")
{
  item_counts counts;
  counts.know({2, 10}, 100);
  counts.know({2, 11}, 150);
  counts.add(std::vector<sequence_key>{{2, 11}, {2, 10}});
  counts.add(std::vector<sequence_key>{{2, 10}, {2, 12}, {2, 11}});
  counts.add(std::vector<sequence_key>{{2, 12}});
  counts.know({2, 12}, 60);
  REQUIRE(counts.items().size() == 3);
  CHECK(counts.items()[0].heat == 2);
  CHECK(counts.items()[2].heat == 2);
  CHECK(counts.items()[2].tokens == 60);
  const auto pairs = counts.pairs(1);
  REQUIRE(pairs.size() == 3);
  CHECK((pairs[0].first == 0 && pairs[0].second == 1 && pairs[0].weight == 2));
  CHECK((pairs[1].first == 0 && pairs[1].second == 2 && pairs[1].weight == 1));
  CHECK(counts.pairs().size() == 1);  // what happened once may be chance
  counts.forget();
  CHECK(counts.items().size() == 3);
  CHECK(counts.items()[0].heat == 0);
  CHECK(counts.pairs(1).empty());
  // Nothing is asked for twice by one request, but who says so does no harm.
  counts.add(std::vector<sequence_key>{{2, 10}, {2, 10}});
  CHECK(counts.pairs(1).empty());
}

TEST_CASE("placements: copies lie on different nodes, each division in balance", "[routing][placement]")
{
  std::mt19937 random(15);
  for (const std::uint32_t copies : {2U, 3U}) {
    const placing what = random_placing(random, 2000, 20, 30'000);
    const auto members = nodes_of(9);
    const item_placement one =
        stratified_placement({.hot_share = 0, .copies = 1}).place(what.items, what.pairs, members);
    const item_placement more =
        stratified_placement({.hot_share = 0, .copies = copies}).place(what.items, what.pairs, members);
    CAPTURE(copies);
    for (std::size_t d = 0; d < copies; ++d) CHECK(fullest(what, more, d) < 1.05 + 1e-6);
    for (const placed_item& i : what.items)
      CHECK(more.home_of(i.key) == one.home_of(i.key));  // the paper's is the first
    // Beside each other on the first of them is not beside each other on the second: a busy node's work can go to many.
    std::set<std::pair<std::uint32_t, std::uint32_t>> beside;
    for (const placed_item& i : what.items) beside.emplace(more.homes_of(i.key)[0], more.homes_of(i.key)[1]);
    CHECK(beside.size() > 3 * members.size());
  }
}

TEST_CASE("placements: a further division keeps together what those before it tear apart", "[routing][placement]")
{
  std::mt19937 random(16);
  // Groups of 20 on 13 nodes of 46 each, more or less: every node has to tear one apart.
  const placing what = random_placing(random, 600, 20, 20'000);
  const auto members = nodes_of(13);
  const auto torn = [&](const item_placement& p) {
    int groups = 0;
    for (std::uint32_t first = 0; first < 600; first += 20) {
      bool whole = false;
      for (std::size_t n = 0; n < members.size(); ++n) {
        int has = 0;
        for (std::uint32_t i = first; i < first + 20; ++i) has += p.keeps(n, what.items[i].key) ? 1 : 0;
        whole = whole || has >= 18;
      }
      groups += whole ? 0 : 1;
    }
    return groups;
  };
  const item_placement one = stratified_placement({.hot_share = 0, .copies = 1}).place(what.items, what.pairs, members);
  const item_placement two = stratified_placement({.hot_share = 0, .copies = 2}).place(what.items, what.pairs, members);
  CAPTURE(torn(one), torn(two));
  CHECK(torn(one) >= 4);
  CHECK(torn(two) == 0);
}

TEST_CASE("placements: with copies a node may vanish, and its items are still on another", "[routing][placement]")
{
  std::mt19937 random(17);
  const placing what = random_placing(random, 1000, 10, 10'000);
  const stratified_placement policy({.hot_share = 0.005, .copies = 2});
  const auto members = nodes_of(6);
  const item_placement before = policy.place(what.items, what.pairs, members);
  std::uint64_t all = 0;
  std::uint64_t held = 0;  // by the first node
  for (const placed_item& one : what.items) {
    all += (before.home_of(one.key) == item_placement::everywhere ? 6 : 2) * std::uint64_t{one.tokens};
    held += before.keeps(0, one.key) ? one.tokens : 0;
    int others = 0;
    for (std::size_t n = 1; n < 6; ++n) others += before.keeps(n, one.key) ? 1 : 0;
    REQUIRE(others >= 1);
  }
  CHECK(moved_tokens(what.items, item_placement(), before) == all);
  CHECK(moved_tokens(what.items, before, before) == 0);
  CHECK(moved_tokens(what.items, before, policy.place(what.items, what.pairs, members, before)) < all / 50);
  const std::vector<rendezvous_member> fewer(members.begin() + 1, members.end());
  const item_placement mended = policy.place(what.items, what.pairs, fewer, before);
  const std::uint64_t moved = moved_tokens(what.items, before, mended);
  CAPTURE(all, held, moved);
  std::uint64_t hot = 0;  // its copies of these are nobody's loss
  for (const placed_item& one : what.items)
    hot += before.home_of(one.key) == item_placement::everywhere ? one.tokens : 0;
  CHECK(moved >= held - hot);
  CHECK(moved < 2 * held);
  for (std::size_t d = 0; d < 2; ++d) CHECK(fullest(what, mended, d) < 1.05 + 1e-6);
  // One copy becomes two: what is there stays.
  const item_placement single =
      stratified_placement({.hot_share = 0.005, .copies = 1}).place(what.items, what.pairs, members);
  const item_placement grown = policy.place(what.items, what.pairs, members, single);
  CHECK(moved_tokens(what.items, single, grown) < (all - 6 * hot) / 2 + all / 50);
}

TEST_CASE("placements: where there are fewer nodes than copies, each has all", "[routing][placement]")
{
  std::mt19937 random(18);
  const placing what = random_placing(random, 100, 10, 500);
  const item_placement p =
      stratified_placement({.hot_share = 0, .copies = 4}).place(what.items, what.pairs, nodes_of(3));
  for (const placed_item& one : what.items) {
    for (std::size_t n = 0; n < 3; ++n) CHECK(p.keeps(n, one.key));
  }
  CHECK(sentence_of<config_error>([] { stratified_placement({.copies = 0}); }) ==
        "stratified_config.copies is 0, but it must be from 1 to 64");
}

TEST_CASE("placements: what a node has of a request, with copies", "[routing][placement]")
{
  item_placement p(std::vector<std::uint64_t>{7, 8, 9});
  p.add({2, 1}, std::vector<std::uint32_t>{0, 2});
  p.add({2, 2}, std::vector<std::uint32_t>{1, 2});
  p.add({2, 3}, std::vector<std::uint32_t>{});
  std::vector<double> hits(3, 9);
  p.hit_shares(std::vector<sequence_key>{{2, 1}, {2, 2}}, hits);
  CHECK(hits == std::vector<double>{0.5, 0.5, 1});
  CHECK(p.home_of({2, 1}) == 0);
  CHECK(p.home_of({2, 3}) == item_placement::nobody);
  CHECK((p.keeps(0, {2, 1}) && !p.keeps(1, {2, 1}) && p.keeps(2, {2, 1})));
  const auto refused = [&](std::vector<std::uint32_t> homes) {
    return sentence_of<config_error>([&] { p.add({2, 9}, homes); });
  };
  CHECK(refused({1, 1}) == "item is 9, but its copies must be on different nodes");
  CHECK(refused({1, item_placement::everywhere}) == "item is 9, but its copies must be on different nodes");
  CHECK(refused({1, 3}) == "the home of item 9 is 3, but there are only 3 nodes");
  CHECK(p.size() == 3);
}
