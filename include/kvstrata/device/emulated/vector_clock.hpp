// What is known to have happened: for every stream the place up to which its work lies in the past.
#pragma once

#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Clocks after Mattern (1989), one component a stream. Missing components are 0.
class vector_clock
{
 public:
  [[nodiscard]] std::uint64_t operator[](stream_id stream) const noexcept
  {
    const auto number = static_cast<std::size_t>(stream);
    return number < places_.size() ? places_[number] : 0;
  }

  void raise(stream_id stream, std::uint64_t place)
  {
    const auto number = static_cast<std::size_t>(stream);
    if (places_.size() <= number) places_.resize(number + 1, 0);
    if (places_[number] < place) places_[number] = place;
  }

  /// Learns all that `other` knows. O(streams).
  void join(const vector_clock& other)
  {
    if (places_.size() < other.places_.size()) places_.resize(other.places_.size(), 0);
    for (std::size_t i = 0; i < other.places_.size(); ++i) {
      if (places_[i] < other.places_[i]) places_[i] = other.places_[i];
    }
  }

  /// Does `other` know all that this clock says of streams other than `self`? O(streams).
  [[nodiscard]] bool adds_nothing_to(const vector_clock& other, stream_id self) const noexcept
  {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const auto stream = static_cast<stream_id>(i);
      if (stream != self && !other.knows({stream, places_[i]})) return false;
    }
    return true;
  }

  [[nodiscard]] bool knows(event point) const noexcept { return (*this)[point.stream] >= point.sequence; }

 private:
  std::vector<std::uint64_t> places_;
};

/// A stream's clock at each of its places. Only where it learns of other streams is something stored, so that the
/// clock behind a past event can be looked up.
class clock_history
{
 public:
  /// The clock as of `place`, which is at most the last place. O(log changes).
  [[nodiscard]] vector_clock at(stream_id self, std::uint64_t place) const
  {
    std::size_t low = 0;
    std::size_t high = changes_.size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (changes_[middle].from <= place) low = middle + 1;
      else high = middle;
    }
    vector_clock clock = low == 0 ? vector_clock() : changes_[low - 1].clock;
    clock.raise(self, place);
    return clock;
  }

  /// From `place` on, the clock is `clock`. Places ascend. Beyond `most_changes` the oldest are blurred: a look-up
  /// there may know too much, so that a violation can be missed but none is invented.
  void change(std::uint64_t place, const vector_clock& clock)
  {
    if (!changes_.empty() && changes_.back().from == place) changes_.back().clock = clock;
    else changes_.push_back({place, clock});
    if (changes_.size() > most_changes) {
      changes_[1].from = changes_[0].from;
      changes_.pop_front();
    }
  }

  /// Whoever looks something up from now on knows `known` already: what adds nothing to it is dropped.
  void forget_known(stream_id self, const vector_clock& known)
  {
    while (!changes_.empty() && changes_.front().clock.adds_nothing_to(known, self)) changes_.pop_front();
  }

  [[nodiscard]] std::size_t size() const noexcept { return changes_.size(); }

 private:
  static constexpr std::size_t most_changes = 16384;
  struct stored
  {
    std::uint64_t from;
    vector_clock clock;
  };
  std::deque<stored> changes_;
};

}  // namespace kvstrata::emulated
