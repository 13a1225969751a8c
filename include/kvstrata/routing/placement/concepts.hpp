// Which node keeps what: a pure function of what is asked for, how often and together with what, and of the nodes.
//
// expression                            meaning
// ------------------------------------- ---------------------------------------------------------------------------
// p.place(items, pairs, members)        homes for every item: members that take some (weight above 0, not draining), each
//   -> item_placement                   once; all of them (everywhere); or, where none takes any, nobody. The same for the
//                                       same arguments. Throws config_error for items and pairs that make no sense
// p.place(items, pairs, members,        the same, going on from another placement, of other heats and other members: what can
//         before)                       stay stays
//
// Models: hash_placement, stratified_placement. What they are told of items comes from requests of the past: heats and pairs
// are counted by item_counts (routing/placement/item_counts.hpp).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/routing/placement/item_placement.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What is placed.
struct placed_item
{
  sequence_key key{};
  token_count tokens = 0;  ///< how much room it takes
  double heat = 0;         ///< how often it is asked for, in any unit
};

/// Two items that are asked for together, by their places in the list of items, and how often.
struct item_pair
{
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  double weight = 0;
};

/// Throws config_error.
inline void check(std::span<const placed_item> items, std::span<const item_pair> pairs)
{
  const auto figure = [](const std::string& name, double value) {
    if (value >= 0 && std::isfinite(value)) return;
    throw config_error(name, std::to_string(value), "it must be a finite number, at least 0");
  };
  if (items.size() > item_placement::most_items) {
    throw config_error("items", items.size(), "there may be at most " + std::to_string(item_placement::most_items));
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!(items[i].heat >= 0 && std::isfinite(items[i].heat))) {
      figure("items[" + std::to_string(i) + "].heat", items[i].heat);
    }
  }
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const item_pair& both = pairs[p];
    const std::uint32_t later = both.first < both.second ? both.second : both.first;
    if (later < items.size() && both.first != both.second && both.weight >= 0 && std::isfinite(both.weight)) continue;
    const std::string name = "pairs[" + std::to_string(p) + "]";
    if (later >= items.size()) {
      throw config_error(name, later, "there are only " + std::to_string(items.size()) + " items");
    }
    if (both.first == both.second) {
      throw config_error(name, std::to_string(both.first) + " and " + std::to_string(both.second),
                         "a pair must be of two different items");
    }
    figure(name + ".weight", both.weight);
  }
}

/// Does it take items?
[[nodiscard]] inline bool takes_some(const rendezvous_member& m) noexcept
{
  return !m.is_draining && m.weight > 0 && std::isfinite(m.weight);
}

template <class P>
concept placement_policy =
    std::copyable<P> && requires(const P& p, std::span<const placed_item> items, std::span<const item_pair> pairs,
                                 std::span<const rendezvous_member> members, const item_placement& before) {
      { p.place(items, pairs, members) } -> std::same_as<item_placement>;
      { p.place(items, pairs, members, before) } -> std::same_as<item_placement>;
    };

}  // namespace kvstrata
