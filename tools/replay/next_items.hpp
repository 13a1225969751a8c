// How well a model names the item that a user saw next: from the last states of histories, as a case served them.
#pragma once

#include "hstu/head.hpp"
#include "hstu/model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace replay {

/// Keeps states while a case is served, which costs a copy; ranks all items when asked.
class next_items
{
 public:
  static constexpr std::size_t best = 10;  ///< hits are among so many

  void keep(std::uint64_t row, std::span<const float> state)
  {
    rows_.push_back(static_cast<std::uint32_t>(row));
    states_.insert(states_.end(), state.begin(), state.end());
  }

  [[nodiscard]] std::uint64_t asked() const noexcept { return rows_.size(); }

  /// Of how many the item that came next is among the best, by products of the normalised state with all items' rows.
  [[nodiscard]] std::uint64_t hits(const hstu::config& c, std::span<const float> items) const
  {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      std::vector<float> state(states_.begin() + static_cast<std::ptrdiff_t>(i * c.hidden),
                               states_.begin() + static_cast<std::ptrdiff_t>((i + 1) * c.hidden));
      hstu::normalise(hstu::normalisation::layer, c.epsilon, state);
      const auto score = [&](std::size_t row) {
        const float* const item = items.data() + row * c.hidden;
        float sum = 0;
        for (std::size_t j = 0; j < c.hidden; ++j) sum += state[j] * item[j];
        return sum;
      };
      const float wanted = score(rows_[i]);
      std::size_t better = 0;
      for (std::size_t row = 0; row < c.items && better < best; ++row) better += score(row) > wanted ? 1u : 0u;
      count += better < best ? 1u : 0u;
    }
    return count;
  }

 private:
  std::vector<std::uint32_t> rows_;
  std::vector<float> states_;
};

}  // namespace replay
