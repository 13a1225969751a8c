// Rotary positions (Su et al.: RoFormer, arXiv 2104.09864): pairs (i, half + i) of a head turn by position / base^(2i / head_dim).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/position/concepts.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The angles of a model's heads. Immutable; thread-safe.
class rotary
{
 public:
  /// Throws config_error for a head of an odd or no width, and for a base that is not positive and finite.
  explicit rotary(std::uint32_t head_dim, float base = 10'000)
  {
    if (head_dim == 0) throw config_error("rotary.head_dim", head_dim, "it must be at least 2");
    if (head_dim % 2 != 0) throw config_error("rotary.head_dim", head_dim, "it must be even: pairs are turned");
    if (!(std::isfinite(base) && base > 0)) {
      throw config_error("rotary.base", std::to_string(base), "it must be above 0 and finite");
    }
    for (std::uint32_t i = 0; i < head_dim / 2; ++i) {
      turns_.push_back(std::pow(static_cast<double>(base), -2.0 * i / head_dim));
    }
  }

  [[nodiscard]] std::uint32_t pairs() const noexcept { return static_cast<std::uint32_t>(turns_.size()); }

  /// The cosines and sines by which pairs turn over so many positions: [pairs()] each. In double precision, rounded once.
  void angles(turn_by positions, float* cosines, float* sines) const noexcept
  {
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      const double angle = static_cast<double>(positions) * turns_[i];
      cosines[i] = static_cast<float>(std::cos(angle));
      sines[i] = static_cast<float>(std::sin(angle));
    }
  }

 private:
  std::vector<double> turns_;  // [pairs] of one position
};

/// The angles of one turn.
struct turn_angles
{
  std::vector<float> cosines, sines;  ///< [pairs]

  void set(const rotary& of, turn_by positions)
  {
    cosines.resize(of.pairs());
    sines.resize(of.pairs());
    of.angles(positions, cosines.data(), sines.data());
  }
};

}  // namespace kvstrata
