// Beams whose tokens lie side by side, [beam][step]: kernels need no table, and after every selection beams move.
//
// They move without a second copy of the scratch, in two passes, as xLLM's cache_select does: ascending through the beams
// that come from further up, then descending through those that come from further down. That is right because parents
// ascend: what a beam overwrites is no later beam's parent. With parents in any order most selections come out wrong, so
// the order is checked.
#pragma once

#include <kvstrata/beams/beam_steps.hpp>
#include <kvstrata/beams/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A beam layout. rows() is steps x the widest step. fork() takes O(width), and moves each token of every beam whose
/// number is not its parent's.
class reorder_in_place
{
 public:
  static constexpr bool ascending_parents = true;

  explicit reorder_in_place(std::span<const std::uint32_t> widths) : beams_(widths) { moves_.reserve(beams_.widest()); }

  [[nodiscard]] std::uint32_t rows() const noexcept { return beams_.widest() * stride(); }
  [[nodiscard]] std::uint32_t steps() const noexcept { return beams_.steps(); }
  [[nodiscard]] std::uint32_t width() const noexcept { return beams_.width(); }
  [[nodiscard]] std::uint32_t row(std::uint32_t step, std::uint32_t beam) const noexcept
  {
    return beam * stride() + step;
  }

  void start(std::uint32_t width) { beams_.start(width); }

  std::span<const beam_move> fork(std::span<const std::uint32_t> parents)
  {
    beams_.check_fork(parents, ascending_parents);
    moves_.clear();
    const auto move = [&](std::size_t beam) {
      moves_.push_back({row(0, parents[beam]), row(0, static_cast<std::uint32_t>(beam)), steps()});
    };
    for (std::size_t b = 0; b < parents.size(); ++b) {
      if (parents[b] > b) move(b);
    }
    for (std::size_t b = parents.size(); b-- > 0;) {
      if (parents[b] < b) move(b);
    }
    beams_.fork(parents.size());
    return moves_;
  }

 private:
  [[nodiscard]] std::uint32_t stride() const noexcept { return static_cast<std::uint32_t>(beams_.reserved().size()); }

  beam_steps beams_;
  std::vector<beam_move> moves_;
};

static_assert(beam_layout<reorder_in_place>);

}  // namespace kvstrata
