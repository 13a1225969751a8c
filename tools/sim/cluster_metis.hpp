// METIS' division of items (Karypis and Kumar), where it is found when the tool is built: Debian's libmetis-dev.
#pragma once

#include <kvstrata/routing/placement/concepts.hpp>

#include <cstdint>
#include <span>

namespace sim {

/// Is it built in?
[[nodiscard]] bool has_metis();

struct metis_config
{
  double slack = 0.05;       ///< so much more than its share a node may get
  std::uint32_t copies = 1;  ///< of an item, each by a division of its own
};

/// Homes for the items that `hot` does not place everywhere, in balance by heat and tokens. Nodes that METIS leaves empty get items of the
/// fullest ones, and `were_empty` says how many these were. What a further division would put where a copy is goes where the built-in one
/// would put it. Throws kvstrata::error where METIS fails, or is not built in.
[[nodiscard]] kvstrata::item_placement place_by_metis(std::span<const kvstrata::placed_item> items,
                                                      std::span<const kvstrata::item_pair> pairs,
                                                      std::span<const kvstrata::rendezvous_member> members,
                                                      const kvstrata::item_placement& hot, const metis_config& c,
                                                      std::uint32_t& were_empty);

}  // namespace sim
