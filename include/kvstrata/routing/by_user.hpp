// Routers that look at who asks, and at nothing that changes.
#pragma once

#include <kvstrata/routing/concepts.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Every user has their node, by rendezvous (routing/rendezvous.hpp) over ids and weights.
struct user_router
{
  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    return detail::rendezvous_best(asked.user, nodes);
  }
};

/// One after the other, in the order of `nodes`. The only one that their order matters to.
struct round_robin_router
{
  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    std::uint64_t takers = 0;
    for (const node_summary& n : nodes) takers += n.is_draining ? 0 : 1;
    if (takers == 0) return nodes.size();
    std::uint64_t before = asked.number % takers;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i].is_draining && before-- == 0) return i;
    }
    return nodes.size();
  }
};

static_assert(router<user_router> && router<round_robin_router>);

}  // namespace kvstrata
