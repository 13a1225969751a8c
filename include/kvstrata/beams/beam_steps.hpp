// What beam layouts have in common: the widths that are reserved, how far a request is, and what is refused.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sizes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class beam_steps
{
 public:
  /// The most beams of each step. Throws config_error for a width of 0, and where the tokens of the widest beams of all
  /// steps are more than 32 bits count.
  explicit beam_steps(std::span<const std::uint32_t> widths) : widths_(widths.begin(), widths.end())
  {
    for (std::size_t step = 0; step < widths_.size(); ++step) {
      if (widths_[step] == 0) {
        throw config_error("the beam width of step " + std::to_string(step), 0, "it must be at least 1");
      }
      widest_ = (std::max)(widest_, widths_[step]);
    }
    const std::uint64_t most = (std::numeric_limits<std::uint32_t>::max)();
    if (checked_product("the rows of beams", widest_, widths_.size()) > most) {
      throw config_error("the rows of beams", std::uint64_t{widest_} * widths_.size(),
                         "they may be at most " + std::to_string(most));
    }
  }

  [[nodiscard]] std::span<const std::uint32_t> reserved() const noexcept { return widths_; }
  [[nodiscard]] std::uint32_t widest() const noexcept { return widest_; }
  [[nodiscard]] std::uint32_t steps() const noexcept { return steps_; }
  [[nodiscard]] std::uint32_t width() const noexcept { return width_; }

  void start(std::uint32_t width)
  {
    check_width(0, width);
    steps_ = 1;
    width_ = width;
  }

  /// Throws usage_error; changes nothing.
  void check_fork(std::span<const std::uint32_t> parents, bool ascending) const
  {
    if (steps_ == 0) throw usage_error("beams cannot fork before start() was called");
    check_width(steps_, parents.size());
    for (std::size_t b = 0; b < parents.size(); ++b) {
      if (parents[b] >= width_) {
        throw usage_error("beam " + std::to_string(b) + " cannot go on from beam " + std::to_string(parents[b]) +
                          ": there are " + std::to_string(width_));
      }
      if (ascending && b != 0 && parents[b] < parents[b - 1]) {
        throw usage_error("beams that are reordered in place need ascending parents: beam " + std::to_string(b) +
                          " goes on from beam " + std::to_string(parents[b]) + ", and beam " + std::to_string(b - 1) +
                          " from beam " + std::to_string(parents[b - 1]) + "; sort the selected beams by parent");
      }
    }
  }
  /// After check_fork().
  void fork(std::size_t width) noexcept
  {
    ++steps_;
    width_ = static_cast<std::uint32_t>(width);
  }

 private:
  void check_width(std::uint32_t step, std::size_t width) const
  {
    const std::string what = "beams of step " + std::to_string(step);
    if (step >= widths_.size()) {
      throw usage_error("there is no room for " + what + ": " + std::to_string(widths_.size()) + " are reserved");
    }
    if (width == 0) throw usage_error("the " + what + " are 0, but there must be at least 1");
    if (width > widths_[step]) {
      throw usage_error("the " + what + " are " + std::to_string(width) + ", but " + std::to_string(widths_[step]) +
                        " are reserved");
    }
  }

  std::vector<std::uint32_t> widths_;
  std::uint32_t widest_ = 0;
  std::uint32_t steps_ = 0;
  std::uint32_t width_ = 0;
};

}  // namespace kvstrata
