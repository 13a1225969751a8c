// Every item has its node by rendezvous: who joins or leaves moves no others' items, and nothing that is asked for together lies
// together. The yardstick of placements.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/routing/placement/concepts.hpp>
#include <kvstrata/routing/placement/join_divisions.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct hash_placement
{
  std::uint32_t copies = 1;  ///< of each item, as far as there are nodes

  /// O(items x members x copies).
  [[nodiscard]] item_placement place(std::span<const placed_item> items, std::span<const item_pair> pairs,
                                     std::span<const rendezvous_member> members,
                                     const item_placement& = item_placement()) const
  {
    check(items, pairs);
    item_placement out(detail::ids_of(members));
    std::vector<std::uint32_t> homes;
    std::vector<rendezvous_member> left;
    for (const placed_item& one : items) {
      homes.clear();
      left.assign(members.begin(), members.end());
      while (homes.empty() || homes.size() < copies) {
        const std::size_t home = rendezvous_owner(user_id{sequence_key_hash{}(one.key)}, left);
        if (home >= left.size()) break;
        homes.push_back(static_cast<std::uint32_t>(home));
        left[home].is_draining = true;
      }
      out.add(one.key, homes);
    }
    return out;
  }
};

static_assert(placement_policy<hash_placement>);

}  // namespace kvstrata
