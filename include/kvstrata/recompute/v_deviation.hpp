// Where V of layer 1 has changed most, in squares: CacheBlend's reading (EuroSys 2025) as its authors' code has it.
#pragma once

#include <kvstrata/recompute/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::recompute {

/// A token selector.
struct v_deviation
{
  static constexpr std::string_view name = "v_deviation";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = false;
  static constexpr bool reads_changes = true;

  void score(const token_readings& readings, std::span<float> to) const
  {
    each_reused(readings.blocks,
                [&](token_count p, token_count, const reused_block&) { to[p] = readings.values[p].squared; });
  }
};

static_assert(token_selector<v_deviation>);

}  // namespace kvstrata::recompute
