// Nothing is computed anew: blocks are taken as they are.
#pragma once

#include <kvstrata/recompute/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::recompute {

/// A token selector.
struct none
{
  static constexpr std::string_view name = "none";
  static constexpr bool recomputes = false;
  static constexpr bool reads_attention = false;
  static constexpr bool reads_changes = false;

  void score(const token_readings& readings, std::span<float> to) const
  {
    each_reused(readings.blocks, [&](token_count p, token_count, const reused_block&) { to[p] = 0; });
  }
};

static_assert(token_selector<none>);

}  // namespace kvstrata::recompute
