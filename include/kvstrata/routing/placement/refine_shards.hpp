// Makes a division better: items move to where more of what they are asked for with lies, where there is room, and else change places with
// one that wants the other way (as the social hash partitioner does it: Kabiljo et al., VLDB 2017).
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/placement/item_graph.hpp>
#include <kvstrata/routing/placement/shard_books.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

class shard_refiner
{
 public:
  shard_refiner(const item_graph& graph, shard_books& books, std::vector<std::uint32_t>& homes)
      : graph_(graph), books_(books), homes_(homes), ties_(books.size())
  {
  }

  /// At most so many passes, fewer when one changes nothing. What lies in one shard grows with every change, and no shard gets
  /// fuller than its limit, or than it was. A pass is O(pairs + items log items).
  void run(std::uint32_t passes)
  {
    for (std::uint32_t pass = 0; pass < passes; ++pass) {
      wishes_.clear();
      const bool moved = move_all();
      const bool changed = exchange_all();
      if (!moved && !changed) return;
    }
  }

 private:
  struct wish
  {
    std::uint32_t low = 0;  // shards, the lower number first
    std::uint32_t high = 0;
    bool up = false;  // from low to high
    std::uint32_t item = 0;
    double gain = 0;
  };

  [[nodiscard]] double gain(std::uint32_t item, std::uint32_t to)
  {
    ties_.look(graph_, item, homes_);
    return ties_.with(to) - ties_.with(homes_[item]);
  }

  void rehome(std::uint32_t item, std::uint32_t to)
  {
    books_.take(homes_[item], item);
    books_.put(to, item);
    homes_[item] = to;
  }

  bool move_all()
  {
    bool moved = false;
    for (std::uint32_t item = 0; item < homes_.size(); ++item) {
      const std::uint32_t from = homes_[item];
      if (from >= books_.size() || graph_.of(item).empty()) continue;
      ties_.look(graph_, item, homes_);
      std::uint32_t wanted = shard_books::none;
      std::uint32_t free = shard_books::none;
      for (const std::uint32_t n : ties_.seen()) {
        if (n == from || !books_.takes(n, item)) continue;
        const auto better = [&](std::uint32_t than) {
          return than == shard_books::none || ties_.with(n) > ties_.with(than) ||
                 (is_exactly(ties_.with(n), ties_.with(than)) && n < than);
        };
        if (better(wanted)) wanted = n;
        if (better(free) && books_.fits(n, item)) free = n;
      }
      if (free != shard_books::none && ties_.with(free) > ties_.with(from)) {
        rehome(item, free);
        moved = true;
      } else if (wanted != shard_books::none) {
        wishes_.push_back(wish{.low = (std::min)(from, wanted),
                               .high = (std::max)(from, wanted),
                               .up = from < wanted,
                               .item = item,
                               .gain = ties_.with(wanted) - ties_.with(from)});
      }
    }
    return moved;
  }

  bool exchange_all()
  {
    std::sort(wishes_.begin(), wishes_.end(), [](const wish& a, const wish& b) {
      if (a.low != b.low) return a.low < b.low;
      if (a.high != b.high) return a.high < b.high;
      if (a.up != b.up) return a.up;
      return !is_exactly(a.gain, b.gain) ? a.gain > b.gain : a.item < b.item;
    });
    bool changed = false;
    for (std::size_t at = 0; at < wishes_.size();) {
      std::size_t middle = at;
      const auto same = [&](std::size_t i) {
        return i < wishes_.size() && wishes_[i].low == wishes_[at].low && wishes_[i].high == wishes_[at].high;
      };
      while (same(middle) && wishes_[middle].up) ++middle;
      std::size_t end = middle;
      while (same(end)) ++end;
      changed = exchange(at, middle, end) || changed;
      at = end;
    }
    return changed;
  }

  /// Of two shards: wishes [up, down) one way, [down, end) the other, each the best first.
  bool exchange(std::size_t up, std::size_t down, std::size_t end)
  {
    bool changed = false;
    for (std::size_t a = up, tried = down; a < down; ++a) {
      for (std::size_t b = tried; b < end && b < tried + most_partners; ++b) {
        if (wishes_[a].gain + wishes_[b].gain <= 0) break;
        if (!swap(wishes_[a], wishes_[b])) continue;
        std::swap(wishes_[b], wishes_[tried]);
        ++tried;
        changed = true;
        break;
      }
    }
    return changed;
  }

  /// What others have done meanwhile counts.
  bool swap(const wish& a, const wish& b)
  {
    const std::uint32_t low = homes_[a.item];
    const std::uint32_t high = homes_[b.item];
    if (low != a.low || high != a.high) return false;
    double tie = 0;
    const double gained = gain(a.item, high) + gain(b.item, low);
    for (const item_graph::neighbour& other : graph_.of(a.item)) tie += other.item == b.item ? other.weight : 0;
    if (gained - 2 * tie <= least_gain) return false;
    const auto allowed = [&](std::uint32_t n, std::uint32_t in, std::uint32_t out) {
      return books_.takes(n, in) && books_.fill(n, in, out) <= (std::max)(books_.fill(n), shard_books::limit);
    };
    if (!allowed(high, a.item, b.item) || !allowed(low, b.item, a.item)) return false;
    rehome(a.item, high);
    rehome(b.item, low);
    return true;
  }

  static constexpr std::size_t most_partners = 16;
  static constexpr double least_gain = 1e-9;

  const item_graph& graph_;
  shard_books& books_;
  std::vector<std::uint32_t>& homes_;
  shard_ties ties_;
  std::vector<wish> wishes_;
};

/// Gives every shard without items, as far as there are enough, those of the fullest one that fit, the least tied first: a node that
/// keeps nothing serves nothing. O(items + members), for each such shard.
inline void fill_empty_shards(const item_graph& graph, shard_books& books, std::vector<std::uint32_t>& homes)
{
  shard_ties ties(books.size());
  for (std::uint32_t n = 0; n < books.size(); ++n) {
    if (!books.takes(n) || books.count(n) != 0) continue;
    std::uint32_t fullest = shard_books::none;
    for (std::uint32_t other = 0; other < books.size(); ++other) {
      if (books.count(other) < 2) continue;
      if (fullest == shard_books::none || books.fill(other) > books.fill(fullest)) fullest = other;
    }
    if (fullest == shard_books::none) return;
    std::vector<std::pair<double, std::uint32_t>> theirs;
    for (std::uint32_t i = 0; i < homes.size(); ++i) {
      if (homes[i] != fullest) continue;
      ties.look(graph, i, homes);
      theirs.emplace_back(ties.with(fullest), i);
    }
    std::sort(theirs.begin(), theirs.end());
    for (const auto& [tie, item] : theirs) {
      if (!books.takes(n, item)) continue;
      if (books.count(n) != 0 && (books.fill(n, item) > books.fill(fullest) || !books.fits(n, item))) break;
      books.take(fullest, item);
      books.put(n, item);
      homes[item] = n;
    }
  }
}

}  // namespace kvstrata::detail
