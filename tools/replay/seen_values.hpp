// What codecs are told of the weights that serve: counted on keys and values that these compute.
#pragma once

#include "replay/workload.hpp"

#include <kvstrata/codec/exponent_table.hpp>
#include <kvstrata/codec/int8.hpp>

#include <algorithm>
#include <cstdint>

namespace hstu {
class model;
}

namespace replay {

struct seen_values
{
  kvstrata::codec::exponent_table table{};  ///< of the serving weights; before it was counted, the default
  double outside_default = 0;               ///< share of the values whose exponents the default table lacks
  double outside = 0;                       ///< that this one lacks
  float least = 0;                          ///< of the values
  std::uint64_t values = 0;                 ///< that were counted; 0: none were

  /// No value lies below the least of SiLU: steps may begin there.
  [[nodiscard]] bool from_minimum() const noexcept { return values != 0 && least >= kvstrata::codec::silu_minimum; }
};

/// Computes the histories of a few requests, spread over the workload, and counts all their keys and values.
[[nodiscard]] seen_values see_values(const workload& w, const hstu::model& model);

/// Raw frames, as a share of an arena's bytes, so that users of whom it has so many pages on average find one for the page
/// that is filled in part, and as many for pages on their way. Of f32, as here, four codes go into a page.
[[nodiscard]] inline double raw_share_for(double pages) noexcept
{
  constexpr double raw_pages_a_user = 2;
  constexpr double codes_a_page = 4;
  const double raw = raw_pages_a_user * codes_a_page;
  return std::clamp(raw / ((std::max)(1.0, pages) + raw), 1.0 / 32, 0.5);
}

}  // namespace replay
