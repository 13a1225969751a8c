// The angles of many positions, made once: for keys that are turned where they are read.
#pragma once

#include <kvstrata/position/rotary.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// By which keys of blocks turn where they are read, position by position; null: they do not.
struct read_angles
{
  const float* cosines = nullptr;  ///< [positions][pairs]
  const float* sines = nullptr;
  std::uint32_t pairs = 0;

  [[nodiscard]] constexpr bool turn() const noexcept { return cosines != nullptr; }
  [[nodiscard]] constexpr const float* cosines_at(token_count position) const noexcept
  {
    return cosines + std::size_t{position} * pairs;
  }
  [[nodiscard]] constexpr const float* sines_at(token_count position) const noexcept
  {
    return sines + std::size_t{position} * pairs;
  }
};

/// By which keys at the positions [0, size()) turn where they are read: 8 bytes a position and pair. Immutable but for
/// reserve(): to be grown before threads read it. Empty where a policy turns nothing.
template <position_policy P>
class angle_table
{
 public:
  explicit angle_table(rotary of, P policy = {}) : of_(std::move(of)), policy_(policy) {}

  [[nodiscard]] token_count size() const noexcept { return size_; }

  /// From here on for at least so many positions.
  void reserve(token_count positions)
  {
    if (!P::turns_reads || positions <= size_) return;
    const std::size_t pairs = of_.pairs();
    angles_.cosines.resize(positions * pairs);
    angles_.sines.resize(positions * pairs);
    for (; size_ < positions; ++size_) {
      of_.angles(policy_.read(size_), angles_.cosines.data() + size_ * pairs, angles_.sines.data() + size_ * pairs);
    }
  }

  /// Valid until the next reserve().
  [[nodiscard]] read_angles view() const noexcept
  {
    if (size_ == 0) return {};
    return {.cosines = angles_.cosines.data(), .sines = angles_.sines.data(), .pairs = of_.pairs()};
  }

 private:
  rotary of_;
  [[no_unique_address]] P policy_;
  turn_angles angles_;  // [size_][pairs]
  token_count size_ = 0;
};

}  // namespace kvstrata
