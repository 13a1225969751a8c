// Every item has its node by rendezvous: who joins or leaves moves no others' items, and nothing that is asked for together lies
// together. The yardstick of placements.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/routing/placement/concepts.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct hash_placement
{
  /// O(items x members).
  [[nodiscard]] item_placement place(std::span<const placed_item> items, std::span<const item_pair> pairs,
                                     std::span<const rendezvous_member> members,
                                     const item_placement& = item_placement()) const
  {
    check(items, pairs);
    std::vector<std::uint64_t> nodes;
    for (const rendezvous_member& m : members) nodes.push_back(m.id);
    item_placement out(std::move(nodes));
    for (const placed_item& one : items) {
      const std::size_t home = rendezvous_owner(user_id{sequence_key_hash{}(one.key)}, members);
      out.add(one.key, home < members.size() ? static_cast<std::uint32_t>(home) : item_placement::nobody);
    }
    return out;
  }
};

static_assert(placement_policy<hash_placement>);

}  // namespace kvstrata
