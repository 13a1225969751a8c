// Counts what a placement is made from: how often items are asked for, and which together.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/routing/placement/concepts.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a window of requests; `forget` begins the next one. Not synchronised. Memory: O(items + pairs that were seen).
class item_counts
{
 public:
  /// Items that may be asked for, each key once: those that never are have a heat of 0. The tokens of one that is asked for are those
  /// that it had last.
  void know(const sequence_key& key, token_count tokens) { items_[number_of(key)].tokens = tokens; }

  /// A request asked for these; each is one of its request's items once. O(keys^2).
  void add(std::span<const sequence_key> keys)
  {
    asked_.clear();
    for (const sequence_key& key : keys) asked_.push_back(number_of(key));
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      items_[asked_[i]].heat += 1;
      for (std::size_t j = i + 1; j < asked_.size(); ++j) {
        if (asked_[i] == asked_[j]) continue;
        const auto [low, high] = std::minmax(asked_[i], asked_[j]);
        together_[(std::uint64_t{low} << 32U) | high] += 1;
      }
    }
  }

  /// Heats and pairs are those of what comes from now on.
  void forget() noexcept
  {
    for (placed_item& one : items_) one.heat = 0;
    together_.clear();
  }

  [[nodiscard]] std::span<const placed_item> items() const noexcept { return items_; }
  /// Those that were asked for together at least so often: what happened once is chance more often than not, and most of the pairs
  /// (docs/guide/routing.md has what leaving it out is worth). In ascending order, so that placements do not depend on a hash table's.
  /// O(pairs log pairs).
  [[nodiscard]] std::vector<item_pair> pairs(std::uint32_t at_least = 2) const
  {
    std::vector<item_pair> out;
    for (const auto& [both, often] : together_) {
      if (often < at_least) continue;
      out.push_back(
          {static_cast<std::uint32_t>(both >> 32U), static_cast<std::uint32_t>(both), static_cast<double>(often)});
    }
    std::sort(out.begin(), out.end(), [](const item_pair& a, const item_pair& b) {
      return a.first != b.first ? a.first < b.first : a.second < b.second;
    });
    return out;
  }

 private:
  [[nodiscard]] std::uint32_t number_of(const sequence_key& key)
  {
    const auto [at, fresh] = numbers_.try_emplace(key, static_cast<std::uint32_t>(items_.size()));
    if (fresh) items_.push_back({.key = key});
    return at->second;
  }

  std::vector<placed_item> items_;
  boost::unordered_flat_map<sequence_key, std::uint32_t, sequence_key_hash> numbers_;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> together_;
  std::vector<std::uint32_t> asked_;
};

}  // namespace kvstrata
