// A sample of docs/concepts/router.md.
#include <kvstrata/routing/concepts.hpp>

// The first that has anything of the request and is not busy; else the first that takes requests.
struct first_with_a_hit
{
  std::size_t operator()(const kvstrata::routed_request&, std::span<const kvstrata::node_summary> nodes) const noexcept
  {
    std::size_t any = nodes.size();
    for (std::size_t i = nodes.size(); i-- > 0;) {
      if (!nodes[i].is_draining) any = i;
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i].is_draining && nodes[i].hit > 0 && nodes[i].load < 1) return i;
    }
    return any;
  }
};
static_assert(kvstrata::router<first_with_a_hit>);

#ifndef KVSTRATA_RIGHT
// says: router
struct remembers  // a router keeps nothing between calls: its call is const
{
  std::size_t next = 0;
  std::size_t operator()(const kvstrata::routed_request&, std::span<const kvstrata::node_summary> nodes) noexcept
  {
    return next++ % nodes.size();
  }
};
static_assert(kvstrata::router<remembers>);
#endif
