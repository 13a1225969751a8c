// Beams whose tokens lie where they were written, step after step, [step][beam]: nothing ever moves, and a table says for
// every beam and step whose token is its own line's. As NVIDIA's SID-GR example keeps them (its BeamKV and BeamPath).
//
// Kernels pay a look-up a step; parents may come in any order, widths may change, and only what a step can have is
// reserved for it.
#pragma once

#include <kvstrata/beams/beam_steps.hpp>
#include <kvstrata/beams/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A beam layout. rows() is the sum of the widths. fork() takes O(width x steps) and moves nothing.
class ancestor_indexed
{
 public:
  static constexpr bool ascending_parents = false;

  explicit ancestor_indexed(std::span<const std::uint32_t> widths) : beams_(widths)
  {
    first_rows_.reserve(widths.size() + 1);
    first_rows_.push_back(0);
    for (const std::uint32_t width : widths) first_rows_.push_back(first_rows_.back() + width);
    table_.resize(std::size_t{beams_.widest()} * widths.size());
    next_.resize(beams_.widest());
  }

  [[nodiscard]] std::uint32_t rows() const noexcept { return first_rows_.back(); }
  [[nodiscard]] std::uint32_t steps() const noexcept { return beams_.steps(); }
  [[nodiscard]] std::uint32_t width() const noexcept { return beams_.width(); }
  [[nodiscard]] std::uint32_t row(std::uint32_t step, std::uint32_t beam) const noexcept
  {
    return table_[at(step) + beam];
  }
  /// row(step, ...) of all beams.
  [[nodiscard]] std::span<const std::uint32_t> rows_of(std::uint32_t step) const noexcept
  {
    return std::span(table_).subspan(at(step), width());
  }

  void start(std::uint32_t width)
  {
    beams_.start(width);
    append(0);
  }

  std::span<const beam_move> fork(std::span<const std::uint32_t> parents)
  {
    beams_.check_fork(parents, ascending_parents);
    const std::uint32_t before = steps();
    for (std::uint32_t step = 0; step < before; ++step) {
      const auto line = std::span(table_).subspan(at(step), beams_.widest());
      for (std::size_t b = 0; b < parents.size(); ++b) next_[b] = line[parents[b]];
      for (std::size_t b = 0; b < parents.size(); ++b) line[b] = next_[b];
    }
    beams_.fork(parents.size());
    append(before);
    return {};
  }

 private:
  [[nodiscard]] std::size_t at(std::uint32_t step) const noexcept { return std::size_t{step} * beams_.widest(); }
  void append(std::uint32_t step) noexcept
  {
    for (std::uint32_t b = 0; b < width(); ++b) table_[at(step) + b] = first_rows_[step] + b;
  }

  beam_steps beams_;
  std::vector<std::uint32_t> first_rows_;  // [steps + 1]
  std::vector<std::uint32_t> table_;       // [steps][widest]
  std::vector<std::uint32_t> next_;        // [widest]
};

static_assert(beam_layout<ancestor_indexed>);

}  // namespace kvstrata
