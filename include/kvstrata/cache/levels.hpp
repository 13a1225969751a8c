// Which levels and policies a cache is made of: from the four policy axes to types.
#pragma once

#include <kvstrata/cache/device_level.hpp>
#include <kvstrata/cache/entry.hpp>
#include <kvstrata/cache/lower_level.hpp>
#include <kvstrata/tiers/tier_stack.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <type_traits>

namespace kvstrata {

/// Stands for the lower level of a cache that has none.
struct no_lower_level
{
  template <device Device, layout_policy Layout>
  no_lower_level(Device&, const no_lower_tier::config&, const geometry&, const Layout&, const describer&)
  {
  }
};

namespace detail {

template <class Tiers, class Replacement, class Layout>
struct levels
{
  using device_type = typename Tiers::device_type;
  using device_policy = replacement_of_t<typename Tiers::slab::replacement, Replacement>;
  using lower_policy = replacement_of_t<typename Tiers::lower::replacement, Replacement>;
  using entry_type = entry<typename device_policy::hook, typename lower_policy::hook>;
  using top = device_level<typename Tiers::slab, device_policy, entry_type>;
  using below = lower_level<typename Tiers::lower, device_type, lower_policy, Layout, entry_type>;
};

struct no_hook
{
};

template <class Tiers, class Replacement, class Layout>
  requires(!Tiers::has_lower)
struct levels<Tiers, Replacement, Layout>
{
  using device_type = typename Tiers::device_type;
  using device_policy = replacement_of_t<typename Tiers::slab::replacement, Replacement>;
  using entry_type = entry<typename device_policy::hook, no_hook>;
  using top = device_level<typename Tiers::slab, device_policy, entry_type>;
  using below = no_lower_level;
};

}  // namespace detail

}  // namespace kvstrata
