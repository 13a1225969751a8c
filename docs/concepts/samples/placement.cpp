// A sample of docs/concepts/placement.md.
#include <kvstrata/routing/placement/hash_placement.hpp>

// Rendezvous as it is: going on from another placement moves nobody whose node stays.
struct steady_placement : kvstrata::hash_placement
{
  kvstrata::item_placement place(std::span<const kvstrata::placed_item> items,
                                 std::span<const kvstrata::item_pair> pairs,
                                 std::span<const kvstrata::rendezvous_member> members) const
  {
    return kvstrata::hash_placement::place(items, pairs, members);
  }
  kvstrata::item_placement place(std::span<const kvstrata::placed_item> items,
                                 std::span<const kvstrata::item_pair> pairs,
                                 std::span<const kvstrata::rendezvous_member> members,
                                 const kvstrata::item_placement& /*before*/) const
  {
    return place(items, pairs, members);
  }
};
static_assert(kvstrata::placement_policy<steady_placement>);

#ifndef KVSTRATA_RIGHT
// says: placement_policy
struct starts_anew  // cannot go on from the placement of before
{
  kvstrata::item_placement place(std::span<const kvstrata::placed_item>, std::span<const kvstrata::item_pair>,
                                 std::span<const kvstrata::rendezvous_member>) const;
};
static_assert(kvstrata::placement_policy<starts_anew>);
#endif
