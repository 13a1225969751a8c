// The tiers of a cache, from the device downwards.
//
//   tier_stack<device_slab<D>>                     device only: what is evicted is gone
//   tier_stack<device_slab<D>, pinned_arena<>>     with a host tier below
#pragma once

#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

namespace kvstrata {

/// Stands for the lower tier of a stack that has none.
struct no_lower_tier
{
  struct config
  {
  };
};

template <slab_tier Slab, class Lower = no_lower_tier>
  requires(std::same_as<Lower, no_lower_tier> || lower_tier<Lower, typename Slab::device_type>)
struct tier_stack
{
  using device_type = typename Slab::device_type;
  using slab = Slab;
  using lower = Lower;
  static constexpr bool has_lower = !std::same_as<Lower, no_lower_tier>;
};

}  // namespace kvstrata
