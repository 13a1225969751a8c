// RcLLM's placement (arXiv 2605.07443, algorithm 1), in three layers: the hottest items on every node, the others divided so that what
// is asked for together lies together. Where the paper leaves it open: the copies of a hot item are pinned, one a node, and are no part
// of the division; and both heat and tokens are held in balance, where the paper weighs heat and promises memory. Beyond the paper, which
// has one: `copies` of what is divided, by so many divisions, each of which keeps together what those before it tear apart. A list then has
// more than one node to choose from, and who is busy is passed by (docs/guide/routing.md has what that is worth).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/placement/concepts.hpp>
#include <kvstrata/routing/placement/grow_shards.hpp>
#include <kvstrata/routing/placement/item_graph.hpp>
#include <kvstrata/routing/placement/join_divisions.hpp>
#include <kvstrata/routing/placement/refine_shards.hpp>
#include <kvstrata/routing/placement/shard_books.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct stratified_config
{
  double hot_share = 0.001;  ///< of the items, the hottest, that every node has
  double slack = 0.05;       ///< so much more than its share of heat, and of tokens, a node may get
  std::uint32_t passes = 8;  ///< of refinement, at most
  std::uint32_t copies =
      2;  ///< of an item that is divided, each on a node of its own, as far as there are; 1: the paper's
};

/// Throws config_error.
inline void check(const stratified_config& c)
{
  const auto share = [](const char* name, double value) {
    if (value >= 0 && value <= 1) return;
    throw config_error(name, std::to_string(value), "it must be from 0 to 1");
  };
  share("stratified_config.hot_share", c.hot_share);
  share("stratified_config.slack", c.slack);
  if (c.copies == 0 || c.copies > 64) {
    throw config_error("stratified_config.copies", c.copies, "it must be from 1 to 64");
  }
}

class stratified_placement
{
 public:
  stratified_placement() = default;
  /// Throws config_error.
  explicit stratified_placement(const stratified_config& c) : config_((check(c), c)) {}

  /// A limit, which each division has, is passed by no more than one item, where items are too large to keep it; and, with copies, by a node
  /// that would have to have two of an item to take its share. O((pairs + items log items) x passes x copies).
  [[nodiscard]] item_placement place(std::span<const placed_item> items, std::span<const item_pair> pairs,
                                     std::span<const rendezvous_member> members) const
  {
    return place(items, pairs, members, item_placement());
  }
  /// Goes on from `before`: items stay at a home that is still there and has room for them, the most tied ones first; hot ones become
  /// cold ones, and the other way round.
  [[nodiscard]] item_placement place(std::span<const placed_item> items, std::span<const item_pair> pairs,
                                     std::span<const rendezvous_member> members, const item_placement& before) const
  {
    check(items, pairs);
    const std::vector<std::uint32_t> hot = hottest(items, members);
    std::vector<std::vector<std::uint32_t>> divisions;
    while (divisions.size() < detail::division_count(members, config_.copies)) {
      divisions.push_back(divide(items, pairs, members, hot, before, divisions));
    }
    return detail::join_divisions(items, members, divisions);
  }

 private:
  [[nodiscard]] std::vector<std::uint32_t> hottest(std::span<const placed_item> items,
                                                   std::span<const rendezvous_member> members) const
  {
    std::vector<std::uint32_t> homes(items.size(), item_placement::nobody);
    if (std::none_of(members.begin(), members.end(), takes_some)) return homes;
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      if (items[i].heat > 0) order.push_back(i);
    }
    const auto wanted = static_cast<std::size_t>(std::floor(config_.hot_share * static_cast<double>(items.size())));
    const std::size_t hot = (std::min)(wanted, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(hot), order.end(),
                      [&](std::uint32_t a, std::uint32_t b) {
                        return !is_exactly(items[a].heat, items[b].heat) ? items[a].heat > items[b].heat : a < b;
                      });
    for (std::size_t i = 0; i < hot; ++i) homes[order[i]] = item_placement::everywhere;
    return homes;
  }

  /// A home for each item that is not hot, on none of the nodes that it has in the other divisions.
  [[nodiscard]] std::vector<std::uint32_t> divide(std::span<const placed_item> items, std::span<const item_pair> pairs,
                                                  std::span<const rendezvous_member> members,
                                                  std::vector<std::uint32_t> homes, const item_placement& before,
                                                  std::span<const std::vector<std::uint32_t>> others) const
  {
    double heat = 0;
    double tokens = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (homes[i] == item_placement::everywhere) continue;
      heat += items[i].heat;
      tokens += items[i].tokens;
    }
    const detail::item_graph graph(items.size(), pairs,
                                   [&](std::uint32_t i) { return homes[i] != item_placement::everywhere; });
    detail::shard_books books(items, members, heat, tokens, config_.slack, others);
    if (before.size() != 0) keep(items, graph, books, homes, before, members, others.size());
    detail::grow_shards(items, graph, books, homes);
    detail::shard_refiner(graph, books, homes).run(config_.passes);
    detail::fill_empty_shards(graph, books, homes);
    return homes;
  }

  static void keep(std::span<const placed_item> items, const detail::item_graph& graph, detail::shard_books& books,
                   std::vector<std::uint32_t>& homes, const item_placement& before,
                   std::span<const rendezvous_member> members, std::size_t division)
  {
    const std::vector<std::uint64_t> nodes = detail::ids_of(members);
    std::vector<std::uint32_t> now(before.nodes().size(), item_placement::nobody);  // what a home of before is called
    for (std::size_t b = 0; b < now.size(); ++b) {
      const auto found = std::find(nodes.begin(), nodes.end(), before.nodes()[b]);
      if (found != nodes.end()) now[b] = static_cast<std::uint32_t>(found - nodes.begin());
    }
    std::vector<std::uint32_t> had(items.size(), item_placement::nobody);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto was = before.homes_of(items[i].key);
      if (homes[i] == item_placement::nobody && division < was.size() && was[division] < now.size()) {
        had[i] = now[was[division]];
      }
    }
    detail::shard_ties ties(books.size());
    std::vector<std::pair<double, std::uint32_t>> order;
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      if (had[i] == item_placement::nobody) continue;
      ties.look(graph, i, had);
      order.emplace_back(-ties.with(had[i]), i);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [tie, item] : order) {
      if (!books.fits(had[item], item)) continue;
      homes[item] = had[item];
      books.put(had[item], item);
    }
  }

  stratified_config config_;
};

static_assert(placement_policy<stratified_placement>);

/// Tokens that nodes must get to have what `after` says, having what `before` said: every copy counts. O(items x copies^2, for
/// one of every node x nodes).
[[nodiscard]] inline std::uint64_t moved_tokens(std::span<const placed_item> items, const item_placement& before,
                                                const item_placement& after)
{
  constexpr std::uint32_t everywhere = item_placement::everywhere;
  const auto contains = [](std::span<const std::uint32_t> homes, std::uint32_t node) {
    return std::find(homes.begin(), homes.end(), node) != homes.end();
  };
  std::vector<std::uint32_t> was;  // what a node of after was called; nobody: it is new
  for (const std::uint64_t id : after.nodes()) {
    const auto found = std::find(before.nodes().begin(), before.nodes().end(), id);
    const bool is_new = found == before.nodes().end();
    was.push_back(is_new ? item_placement::nobody : static_cast<std::uint32_t>(found - before.nodes().begin()));
  }
  std::uint64_t sum = 0;
  for (const placed_item& one : items) {
    const auto had = before.homes_of(one.key);
    const auto has = after.homes_of(one.key);
    const auto gets = [&](std::uint32_t node) {
      const std::uint32_t then = was[node];
      if (then == item_placement::nobody || !(contains(had, then) || contains(had, everywhere))) sum += one.tokens;
    };
    if (!contains(has, everywhere)) std::for_each(has.begin(), has.end(), gets);
    else
      for (std::uint32_t n = 0; n < was.size(); ++n) gets(n);
  }
  return sum;
}

}  // namespace kvstrata
