// RcLLM's placement (arXiv 2605.07443, algorithm 1), in three layers: the hottest items on every node, the others divided so that what
// is asked for together lies together. Where the paper leaves it open: the copies of a hot item are pinned, one a node, and are no part
// of the division; and both heat and tokens are held in balance, where the paper weighs heat and promises memory.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/placement/concepts.hpp>
#include <kvstrata/routing/placement/grow_shards.hpp>
#include <kvstrata/routing/placement/item_graph.hpp>
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
}

class stratified_placement
{
 public:
  stratified_placement() = default;
  /// Throws config_error.
  explicit stratified_placement(const stratified_config& c) : config_((check(c), c)) {}

  /// A limit is passed by no more than one item, where items are too large to keep it. O((pairs + items log items) x passes).
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
    std::vector<std::uint64_t> nodes;
    for (const rendezvous_member& m : members) nodes.push_back(m.id);
    std::vector<std::uint32_t> homes = hottest(items, members);
    divide(items, pairs, members, homes, before, nodes);
    item_placement out(std::move(nodes));
    for (std::size_t i = 0; i < items.size(); ++i) out.add(items[i].key, homes[i]);
    return out;
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

  void divide(std::span<const placed_item> items, std::span<const item_pair> pairs,
              std::span<const rendezvous_member> members, std::vector<std::uint32_t>& homes,
              const item_placement& before, std::span<const std::uint64_t> nodes) const
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
    detail::shard_books books(items, members, heat, tokens, config_.slack);
    if (before.size() != 0) keep(items, graph, books, homes, before, nodes);
    detail::grow_shards(items, graph, books, homes);
    detail::shard_refiner(graph, books, homes).run(config_.passes);
    detail::fill_empty_shards(graph, books, homes);
  }

  static void keep(std::span<const placed_item> items, const detail::item_graph& graph, detail::shard_books& books,
                   std::vector<std::uint32_t>& homes, const item_placement& before,
                   std::span<const std::uint64_t> nodes)
  {
    std::vector<std::uint32_t> now(before.nodes().size(), item_placement::nobody);  // what a home of before is called
    for (std::size_t b = 0; b < now.size(); ++b) {
      const auto found = std::find(nodes.begin(), nodes.end(), before.nodes()[b]);
      if (found != nodes.end()) now[b] = static_cast<std::uint32_t>(found - nodes.begin());
    }
    std::vector<std::uint32_t> had(items.size(), item_placement::nobody);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::uint32_t home = before.home_of(items[i].key);
      if (homes[i] == item_placement::nobody && home < now.size()) had[i] = now[home];
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

/// Tokens that nodes must get to have what `after` says, having what `before` said: an item of every node counts once for each that has not
/// got it. O(items x nodes of hot ones).
[[nodiscard]] inline std::uint64_t moved_tokens(std::span<const placed_item> items, const item_placement& before,
                                                const item_placement& after)
{
  std::uint64_t sum = 0;
  for (const placed_item& one : items) {
    const std::uint32_t was = before.home_of(one.key);
    const auto had = [&](std::uint64_t node) {
      const auto known = before.nodes();
      if (was == item_placement::everywhere) return std::find(known.begin(), known.end(), node) != known.end();
      return was < known.size() && known[was] == node;
    };
    const std::uint32_t is = after.home_of(one.key);
    for (std::size_t n = 0; n < after.nodes().size(); ++n) {
      if ((is == item_placement::everywhere || is == n) && !had(after.nodes()[n])) sum += one.tokens;
    }
  }
  return sum;
}

}  // namespace kvstrata
