// Divisions of the same items, one for each copy, as one placement.
#pragma once

#include <kvstrata/routing/placement/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

[[nodiscard]] inline std::vector<std::uint64_t> ids_of(std::span<const rendezvous_member> members)
{
  std::vector<std::uint64_t> out;
  for (const rendezvous_member& m : members) out.push_back(m.id);
  return out;
}

/// How many divisions there are: as many as copies are wanted, and as there are nodes for them; at least one.
[[nodiscard]] inline std::size_t division_count(std::span<const rendezvous_member> members, std::uint32_t copies)
{
  const auto takers = static_cast<std::size_t>(std::count_if(members.begin(), members.end(), takes_some));
  return (std::max)(std::size_t{1}, (std::min)(takers, std::size_t{copies}));
}

/// `divisions`: of each a home for every item, none twice for one; what is everywhere, or nobody's, is so in all of them.
[[nodiscard]] inline item_placement join_divisions(std::span<const placed_item> items,
                                                   std::span<const rendezvous_member> members,
                                                   std::span<const std::vector<std::uint32_t>> divisions)
{
  item_placement out(ids_of(members));
  std::vector<std::uint32_t> homes;
  for (std::size_t i = 0; i < items.size(); ++i) {
    homes.clear();
    for (const auto& division : divisions) homes.push_back(division[i]);
    if (homes.front() >= members.size()) homes.resize(1);
    out.add(items[i].key, homes);
  }
  return out;
}

}  // namespace kvstrata::detail
