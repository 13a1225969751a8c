// What a case keeps of its answers while it is served, to be looked at when it is over.
#pragma once

#include "replay/next_items.hpp"
#include "replay/serving.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace replay {

/// The scores of the sample's requests, and where the trace says what a user saw next the state in front of it. Place: see
/// cpu_place.hpp; it has states where a trained model is served.
class kept_answers
{
 public:
  explicit kept_answers(const serving_context& context) : context_(context) {}

  /// Batch `number` was served and is over. Batches come in their order; each costs a copy.
  template <class Place>
  void keep(const Place& place, std::size_t number)
  {
    for (std::size_t r = 0; r < context_.load.batches[number].requests.size(); ++r) {
      const std::optional<std::uint64_t> next = context_.load.batches[number].requests[r].next_item;
      if constexpr (requires { place.last_state(r); }) {
        if (next) next_.keep(*next, place.last_state(r));
      }
    }
    for (; scores_.size() < context_.sample.size() && context_.sample[scores_.size()].batch == number;) {
      const std::span<const float> all = place.scores(context_.sample[scores_.size()].request);
      scores_.emplace_back(all.begin(), all.end());
    }
  }

  /// Says how many were asked for what came next, and of how many the model's best ten had it.
  template <class Place>
  void count_next(const Place& place, case_result& c) const
  {
    if constexpr (requires { place.ranked(next_); }) c.next_hits = place.ranked(next_);
    c.next_asked = next_.asked();
  }

  [[nodiscard]] const std::vector<std::vector<float>>& scores() const noexcept { return scores_; }

 private:
  const serving_context& context_;
  std::vector<std::vector<float>> scores_;
  next_items next_;
};

}  // namespace replay
