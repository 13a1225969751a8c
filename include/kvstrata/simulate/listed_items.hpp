// What each node should have of a list of items: what routers are told of it.
#pragma once

#include <kvstrata/routing/placement/item_placement.hpp>
#include <kvstrata/simulate/catalogue.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Its memory is reused.
class listed_items
{
 public:
  /// The catalogue must outlive it.
  listed_items(const catalogue& of, std::size_t nodes) : of_(&of), shares_(nodes), tokens_on_(nodes) {}

  /// Looks at a request's list. O(copies of its items + nodes).
  void look(std::span<const std::uint32_t> items, const item_placement& placement)
  {
    keys_.clear();
    tokens_ = 0;
    std::fill(shares_.begin(), shares_.end(), 0.0);
    std::fill(tokens_on_.begin(), tokens_on_.end(), 0.0);
    for (const std::uint32_t item : items) {
      keys_.push_back(of_->key_of(item));
      const double its = of_->tokens_of(item);
      tokens_ += its;
      for (const std::uint32_t home : placement.homes_of(keys_.back())) {
        if (home != item_placement::everywhere) tokens_on_[home] += its;
        else
          for (double& sum : tokens_on_) sum += its;
      }
    }
    placement.hit_shares(keys_, shares_);
  }

  /// Of all items.
  [[nodiscard]] double tokens() const noexcept { return tokens_; }
  /// Of those that the node should have.
  [[nodiscard]] double tokens_on(std::size_t node) const noexcept { return tokens_on_[node]; }
  /// And how many of the items these are.
  [[nodiscard]] double share_on(std::size_t node) const noexcept { return shares_[node]; }

 private:
  const catalogue* of_;
  std::vector<sequence_key> keys_;
  std::vector<double> shares_;
  std::vector<double> tokens_on_;
  double tokens_ = 0;
};

}  // namespace kvstrata
