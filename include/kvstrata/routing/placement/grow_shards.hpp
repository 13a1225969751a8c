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

/// The items without a home, each tied most to those before it. O(pairs log pairs + items log items).
[[nodiscard]] inline std::vector<std::uint32_t> growing_order(std::span<const placed_item> items,
                                                              const item_graph& graph,
                                                              std::span<const std::uint32_t> homes)
{
  std::vector<std::uint32_t> seeds;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (homes[i] == item_placement::nobody) seeds.push_back(i);
  }
  std::stable_sort(seeds.begin(), seeds.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return items[a].heat > items[b].heat; });
  std::vector<std::uint32_t> out;
  std::vector<bool> done(items.size());
  std::vector<double> tie(items.size());
  std::vector<double> degree(items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) degree[i] = graph.degree(i);
  std::priority_queue<std::pair<double, std::uint32_t>> next;
  const auto take = [&](std::uint32_t item) {
    done[item] = true;
    out.push_back(item);
    for (const item_graph::neighbour& other : graph.of(item)) {
      if (done[other.item] || homes[other.item] != item_placement::nobody) continue;
      tie[other.item] += other.weight;
      next.emplace(tie[other.item] / degree[other.item], other.item);
    }
  };
  for (const std::uint32_t seed : seeds) {
    if (done[seed]) continue;
    take(seed);
    while (!next.empty()) {
      const auto [share, item] = next.top();
      next.pop();
      if (!done[item] && is_exactly(share, tie[item] / degree[item])) take(item);
    }
  }
  return out;
}

/// Gives every item whose home is nobody one of the shards; nobody keeps it where none takes any. Where nothing fits the emptiest
/// gets it. O(items x ties + items not tied x members).
inline void grow_shards(std::span<const placed_item> items, const item_graph& graph, shard_books& books,
                        std::vector<std::uint32_t>& homes)
{
  if (books.emptiest() == books.size()) return;
  std::vector<double> degrees(books.size());  // of what each shard has
  double all = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const double degree = graph.degree(i);
    all += degree;
    if (homes[i] < books.size()) degrees[homes[i]] += degree;
  }
  shard_ties ties(books.size());
  for (const std::uint32_t item : growing_order(items, graph, homes)) {
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
    if (best == books.size()) best = books.emptiest();
    homes[item] = static_cast<std::uint32_t>(best);
    degrees[best] += degree;
    books.put(best, item);
  }
}

}  // namespace kvstrata::detail
