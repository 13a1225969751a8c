// The best `width` of all beams' candidates, looking at few of them: each beam brings its candidates in order, and when its
// next cannot enter the heap of the best so far, the rest of its list is skipped. Early termination, as in xLLM's
// beam_search.h (technical report 2510.14686, 4.5.1), with the total order of order.hpp.
#pragma once

#include "decoder/search/order.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace decoder {

/// Keeps its memory from selection to selection: after the widest, nothing is allocated. Not synchronised.
class beam_selector
{
 public:
  /// A selection begins: of at most `width` candidates. Throws kvstrata::usage_error for 0.
  void start(std::size_t width)
  {
    if (width == 0) throw kvstrata::usage_error("a selection of 0 beams selects nothing: the width must be at least 1");
    width_ = width;
    heap_.clear();
    heap_.reserve(width);
    visited_ = 0;
  }

  /// What a key must be above to be selected still, as things are: 0 until the heap is full. A list may leave out whatever
  /// is not above it.
  [[nodiscard]] std::uint64_t floor() const noexcept { return heap_.size() < width_ ? 0 : heap_.front(); }

  /// One beam's candidates: keys, descending, none equal to another of this selection. Beams may come in any order; those
  /// with good scores first make for fewer visits. O(visited x log width).
  void take(std::span<const std::uint64_t> descending)
  {
    for (const std::uint64_t key : descending) {
      ++visited_;
      if (heap_.size() < width_) {
        heap_.push_back(key);
        if (heap_.size() == width_) std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
      } else if (key > heap_.front()) {
        replace_least(key);
      } else {
        return;
      }
    }
  }

  /// The same, looking at all of them, in any order: without early termination.
  void take_all(std::span<const std::uint64_t> keys)
  {
    for (const std::uint64_t key : keys) take({&key, 1});
  }

  /// The selected keys, descending; fewer than the width where there were fewer. Valid until the next start(). Ends the selection.
  [[nodiscard]] std::span<const std::uint64_t> finish()
  {
    std::sort(heap_.begin(), heap_.end(), std::greater<>());
    return heap_;
  }

  /// Candidates looked at since start(), those included that ended a list.
  [[nodiscard]] std::uint64_t visited() const noexcept { return visited_; }

 private:
  // The root sinks: cheaper than taking it out and pushing another.
  void replace_least(std::uint64_t key) noexcept
  {
    std::size_t hole = 0;
    for (std::size_t child = 1; child < width_; child = 2 * hole + 1) {
      if (child + 1 < width_ && heap_[child + 1] < heap_[child]) ++child;
      if (key <= heap_[child]) break;
      heap_[hole] = heap_[child];
      hole = child;
    }
    heap_[hole] = key;
  }

  std::size_t width_ = 0;
  std::vector<std::uint64_t> heap_;  // the least in front, once it is full
  std::uint64_t visited_ = 0;
};

}  // namespace decoder
