// Items and who is asked for with them, side by side: what partitioning walks over.
#pragma once

#include <kvstrata/routing/placement/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

class item_graph
{
 public:
  struct neighbour
  {
    std::uint32_t item = 0;
    double weight = 0;
  };

  /// Of the items that `is_in(item)`; the others have no neighbours. O(items + pairs).
  template <class IsIn>
  item_graph(std::size_t items, std::span<const item_pair> pairs, IsIn&& is_in) : begin_(items + 1)
  {
    const auto each = [&](auto&& act) {
      for (const item_pair& p : pairs) {
        if (p.weight > 0 && is_in(p.first) && is_in(p.second)) act(p);
      }
    };
    each([&](const item_pair& p) {
      ++begin_[p.first + 1];
      ++begin_[p.second + 1];
    });
    for (std::size_t i = 0; i < items; ++i) begin_[i + 1] += begin_[i];
    all_.resize(begin_[items]);
    std::vector<std::size_t> at(begin_.begin(), begin_.end() - 1);
    each([&](const item_pair& p) {
      all_[at[p.first]++] = {p.second, p.weight};
      all_[at[p.second]++] = {p.first, p.weight};
    });
  }

  [[nodiscard]] std::size_t size() const noexcept { return begin_.size() - 1; }
  [[nodiscard]] std::span<const neighbour> of(std::uint32_t item) const noexcept
  {
    return std::span(all_).subspan(begin_[item], begin_[item + 1] - begin_[item]);
  }
  /// Weight of all pairs that it is in. O(its neighbours).
  [[nodiscard]] double degree(std::uint32_t item) const noexcept
  {
    double sum = 0;
    for (const neighbour& other : of(item)) sum += other.weight;
    return sum;
  }

 private:
  std::vector<std::size_t> begin_;
  std::vector<neighbour> all_;
};

}  // namespace kvstrata::detail
