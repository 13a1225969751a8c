// The angles of many positions, made once: for keys that are turned where they are read.
#pragma once

#include <kvstrata/position/rotary.hpp>

#include <cstddef>
#include <utility>

namespace kvstrata {

/// Of the positions [0, size()): 8 bytes a position and pair. Immutable but for reserve(); to be grown before threads read it.
class angle_table
{
 public:
  explicit angle_table(rotary of) : of_(std::move(of)) {}

  [[nodiscard]] const rotary& of() const noexcept { return of_; }
  [[nodiscard]] token_count size() const noexcept { return size_; }

  /// From here on for at least so many positions.
  void reserve(token_count positions)
  {
    if (positions <= size_) return;
    const std::size_t pairs = of_.pairs();
    angles_.cosines.resize(positions * pairs);
    angles_.sines.resize(positions * pairs);
    for (; size_ < positions; ++size_) {
      of_.angles(size_, angles_.cosines.data() + size_ * pairs, angles_.sines.data() + size_ * pairs);
    }
  }

  /// [pairs] of a position below size().
  [[nodiscard]] const float* cosines(token_count position) const noexcept
  {
    return angles_.cosines.data() + std::size_t{position} * of_.pairs();
  }
  [[nodiscard]] const float* sines(token_count position) const noexcept
  {
    return angles_.sines.data() + std::size_t{position} * of_.pairs();
  }

 private:
  rotary of_;
  turn_angles angles_;  // [size_][pairs]
  token_count size_ = 0;
};

}  // namespace kvstrata
