// The node with the best score: what routers that weigh nodes have in common.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/concepts.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// The node with the best score; of several, one by lot, so that idle nodes share what nobody has.
template <class Score>
[[nodiscard]] std::size_t best_node(const routed_request& asked, std::span<const node_summary> nodes,
                                    Score&& score) noexcept
{
  std::size_t best = nodes.size();
  double most = -std::numeric_limits<double>::infinity();
  std::uint64_t least_lot = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const node_summary& n = nodes[i];
    if (n.is_draining) continue;
    const double mine = score(n);
    if (best != nodes.size() && mine < most) continue;
    const std::uint64_t lot = rendezvous_bits(asked.number, n.id);
    if (best != nodes.size() && is_exactly(mine, most) &&
        (lot > least_lot || (lot == least_lot && n.id >= nodes[best].id))) {
      continue;
    }
    best = i;
    most = mine;
    least_lot = lot;
  }
  return best;
}

/// What is no amount counts as more than anybody's.
[[nodiscard]] inline double amount_or_most(double amount) noexcept
{
  return amount >= 0 && std::isfinite(amount) ? amount : (std::numeric_limits<double>::max)();
}

}  // namespace kvstrata::detail
