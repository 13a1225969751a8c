// First homes, one item after the other, each to the shard that has most of what it is asked for with and still has room: linear
// deterministic greedy (Stanton and Kliot, KDD 2012), with two things changed that matter where everything is asked for with the hottest
// now and then. Items come in an order in which as much as can be of each one's ties leads to those before it, so that what belongs together
// comes together; and what ties it to a shard counts as far as it is more than chance (as in modularity), so that what belongs nowhere
// begins in the emptiest. docs/guide/routing.md has what that is worth.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/placement/item_graph.hpp>
#include <kvstrata/routing/placement/shard_books.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <queue>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Items most of whose ties no division keeps. O(pairs x divisions^2).
[[nodiscard]] inline std::vector<bool> torn_items(const item_graph& graph,
                                                  std::span<const std::vector<std::uint32_t>> divisions)
{
  std::vector<bool> out(graph.size());
  for (std::uint32_t i = 0; i < out.size() && !divisions.empty(); ++i) {
    double together = 0;
    for (const item_graph::neighbour& other : graph.of(i)) {
      const bool meet = std::any_of(divisions.begin(), divisions.end(), [&](const auto& one) {
        return std::any_of(divisions.begin(), divisions.end(),
                           [&](const auto& two) { return one[i] == two[other.item]; });
      });
      together += meet ? other.weight : 0;
    }
    out[i] = 2 * together < graph.degree(i);
  }
  return out;
}

/// The items without a home, each tied most to those before it. The first division begins with the hottest; each further one with those
/// that the others have torn from what they are tied to, and otherwise elsewhere than these, so that others lie together.
/// O(pairs log pairs + items log items).
[[nodiscard]] inline std::vector<std::uint32_t> growing_order(std::span<const placed_item> items,
                                                              const item_graph& graph,
                                                              std::span<const std::uint32_t> homes,
                                                              std::span<const std::vector<std::uint32_t>> others)
{
  const std::vector<bool> torn = torn_items(graph, others);
  std::vector<std::uint32_t> seeds;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (homes[i] == item_placement::nobody) seeds.push_back(i);
  }
  std::stable_sort(seeds.begin(), seeds.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (torn[a] != torn[b]) return bool{torn[a]};
    if (!others.empty()) return rendezvous_bits(a, others.size()) < rendezvous_bits(b, others.size());
    return items[a].heat > items[b].heat;
  });
  std::vector<std::uint32_t> out;
  std::vector<bool> done(items.size());
  std::vector<double> tie(items.size());
  std::vector<double> degree(items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) degree[i] = graph.degree(i);
  std::priority_queue<std::pair<double, std::uint32_t>> next;
  bool only_torn = !others.empty();
  const auto wait = [&](std::uint32_t item) {
    if (!done[item] && tie[item] > 0 && (torn[item] || !only_torn)) next.emplace(tie[item] / degree[item], item);
  };
  const auto take = [&](std::uint32_t item) {
    done[item] = true;
    out.push_back(item);
    for (const item_graph::neighbour& other : graph.of(item)) {
      if (done[other.item] || homes[other.item] != item_placement::nobody) continue;
      tie[other.item] += other.weight;
      wait(other.item);
    }
  };
  const auto take_all_tied = [&] {
    while (!next.empty()) {
      const auto [share, item] = next.top();
      next.pop();
      if (!done[item] && is_exactly(share, tie[item] / degree[item])) take(item);
    }
  };
  for (const std::uint32_t seed : seeds) {
    if (only_torn && !torn[seed]) {
      only_torn = false;
      for (std::uint32_t i = 0; i < items.size(); ++i) wait(i);
      take_all_tied();
    }
    if (done[seed]) continue;
    take(seed);
    take_all_tied();
  }
  return out;
}

/// Gives every item whose home is nobody one of the shards; nobody keeps it where none takes any. Where nothing fits the emptiest
/// gets it. O(items x ties + items not tied x members).
inline void grow_shards(std::span<const placed_item> items, const item_graph& graph, shard_books& books,
                        std::vector<std::uint32_t>& homes)
{
  std::vector<double> degrees(books.size());  // of what each shard has
  double all = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const double degree = graph.degree(i);
    all += degree;
    if (homes[i] < books.size()) degrees[homes[i]] += degree;
  }
  shard_ties ties(books.size());
  for (const std::uint32_t item : growing_order(items, graph, homes, books.others())) {
    ties.look(graph, item, homes);
    const double degree = graph.degree(item);
    std::size_t best = books.size();
    double most = 0;
    for (const std::uint32_t n : ties.seen()) {
      if (!books.fits(n, item)) continue;
      const double by_chance = degree * degrees[n] / all;
      const double score = (ties.with(n) - by_chance) * (1 - (std::min)(books.fill(n), 1.0));
      if (score > most || (is_exactly(score, most) && n < best)) {
        best = n;
        most = score;
      }
    }
    if (best == books.size()) best = books.emptiest(item);
    if (best == books.size()) continue;
    homes[item] = static_cast<std::uint32_t>(best);
    degrees[best] += degree;
    books.put(best, item);
  }
}

}  // namespace kvstrata::detail
