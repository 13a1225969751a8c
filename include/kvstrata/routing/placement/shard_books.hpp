// What each node has of the items that are divided, towards two limits: heat, which becomes its load, and tokens, which are its memory.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/placement/concepts.hpp>
#include <kvstrata/routing/placement/item_graph.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

class shard_books
{
 public:
  static constexpr std::uint32_t none = item_placement::nobody;

  /// Each member's limits are its share of `heat` and `tokens`, and `slack` of that beyond. `others`: divisions with further copies of the
  /// same items, which no item may share a shard with.
  shard_books(std::span<const placed_item> items, std::span<const rendezvous_member> members, double heat,
              double tokens, double slack, std::span<const std::vector<std::uint32_t>> others = {})
      : items_(items), others_(others), shards_(members.size())
  {
    double weights = 0;
    for (const rendezvous_member& m : members) weights += takes_some(m) ? m.weight : 0;
    for (std::size_t n = 0; n < members.size(); ++n) {
      if (!takes_some(members[n])) continue;
      const double share = members[n].weight / weights * (1 + slack);
      shards_[n] = shard{.most_heat = heat * share, .most_tokens = tokens * share, .takes = true};
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return shards_.size(); }
  [[nodiscard]] bool takes(std::size_t n) const noexcept { return shards_[n].takes; }
  /// Does it take items, and has no copy of this one?
  [[nodiscard]] bool takes(std::size_t n, std::uint32_t item) const noexcept
  {
    return takes(n) &&
           std::none_of(others_.begin(), others_.end(), [&](const auto& other) { return other[item] == n; });
  }
  [[nodiscard]] std::span<const std::vector<std::uint32_t>> others() const noexcept { return others_; }
  [[nodiscard]] std::uint32_t count(std::size_t n) const noexcept { return shards_[n].count; }

  /// 1: one of its limits is reached.
  [[nodiscard]] double fill(std::size_t n) const noexcept { return fill_with(n, 0, 0); }
  /// And how full it would be with `in` beyond what it has, without `out` (each an item, or none).
  [[nodiscard]] double fill(std::size_t n, std::uint32_t in, std::uint32_t out = none) const noexcept
  {
    const double heat = (in == none ? 0 : items_[in].heat) - (out == none ? 0 : items_[out].heat);
    const double tokens =
        (in == none ? 0.0 : double{1} * items_[in].tokens) - (out == none ? 0.0 : double{1} * items_[out].tokens);
    return fill_with(n, heat, tokens);
  }
  [[nodiscard]] bool fits(std::size_t n, std::uint32_t item) const noexcept
  {
    return takes(n, item) && fill(n, item) <= limit;
  }

  void put(std::size_t n, std::uint32_t item) noexcept { change(n, item, 1); }
  void take(std::size_t n, std::uint32_t item) noexcept { change(n, item, -1); }

  /// Who takes the item and has the most room left; size() where nobody takes it. O(members).
  [[nodiscard]] std::size_t emptiest(std::uint32_t item) const noexcept
  {
    std::size_t found = size();
    for (std::size_t n = 0; n < size(); ++n) {
      if (takes(n, item) && (found == size() || fill(n) < fill(found))) found = n;
    }
    return found;
  }

  static constexpr double limit = 1 + 1e-9;  // what is full to the last item may be so by rounding

 private:
  struct shard
  {
    double heat = 0;
    double tokens = 0;
    double most_heat = 0;
    double most_tokens = 0;
    std::uint32_t count = 0;
    bool takes = false;
  };

  [[nodiscard]] double fill_with(std::size_t n, double heat, double tokens) const noexcept
  {
    const shard& s = shards_[n];
    const auto part = [](double has, double most) { return most > 0 ? has / most : 0; };
    return (std::max)(part(s.heat + heat, s.most_heat), part(s.tokens + tokens, s.most_tokens));
  }
  void change(std::size_t n, std::uint32_t item, int by) noexcept
  {
    shard& s = shards_[n];
    s.heat += by * items_[item].heat;
    s.tokens += double{1} * by * items_[item].tokens;
    s.count = static_cast<std::uint32_t>(static_cast<int>(s.count) + by);
  }

  std::span<const placed_item> items_;
  std::span<const std::vector<std::uint32_t>> others_;
  std::vector<shard> shards_;
};

/// What an item has in common with each shard. Its memory is reused.
class shard_ties
{
 public:
  explicit shard_ties(std::size_t shards) : weight_(shards) {}

  /// Looks at one item. O(its neighbours).
  void look(const item_graph& graph, std::uint32_t item, std::span<const std::uint32_t> homes)
  {
    for (const std::uint32_t n : seen_) weight_[n] = 0;
    seen_.clear();
    for (const item_graph::neighbour& other : graph.of(item)) {
      const std::uint32_t home = homes[other.item];
      if (home >= weight_.size()) continue;
      if (is_exactly(weight_[home], 0)) seen_.push_back(home);
      weight_[home] += other.weight;
    }
  }
  [[nodiscard]] double with(std::size_t n) const noexcept { return weight_[n]; }
  /// Shards that have any of its neighbours.
  [[nodiscard]] std::span<const std::uint32_t> seen() const noexcept { return seen_; }

 private:
  std::vector<double> weight_;
  std::vector<std::uint32_t> seen_;
};

}  // namespace kvstrata::detail
