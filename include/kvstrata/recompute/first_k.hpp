// The first tokens of each block, as EPIC (LegoLink, arXiv 2410.15332): a block that was encoded by itself begins with an
// attention sink that it should not have, and its first tokens miss most of what they should see. Looks at nothing.
#pragma once

#include <kvstrata/recompute/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::recompute {

/// A token selector. How many of each block follows from the share; EPIC takes up to 32.
struct first_k
{
  static constexpr std::string_view name = "first_k";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = false;
  static constexpr bool reads_changes = false;

  void score(const token_readings& readings, std::span<float> to) const
  {
    each_reused(readings.blocks,
                [&](token_count p, token_count t, const reused_block&) { to[p] = -static_cast<float>(t); });
  }
};

static_assert(token_selector<first_k>);

}  // namespace kvstrata::recompute
