// A tier, bound to a device and as large as its configuration says.
#pragma once

#include <kvstrata/tiers/codes.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <cstddef>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// A tier bound to a device: the slab is by itself.
template <class Tier, class Device>
struct tier_on
{
  using type = typename Tier::template on<Device>;
};
template <slab_tier Tier, class Device>
struct tier_on<Tier, Device>
{
  using type = typename Tier::bound;
};

/// Frames of `frame_bytes`; where the tier keeps codes, in what raw frames leave of its bytes.
template <class Tier, class Device, layout_policy Layout>
[[nodiscard]] typename tier_on<Tier, Device>::type make_tier(Device& d, const typename Tier::config& sizes,
                                                             const geometry& shape, const Layout& layout,
                                                             [[maybe_unused]] std::size_t frame_bytes)
{
  using bound = typename tier_on<Tier, Device>::type;
  if constexpr (slab_tier<Tier>) {
    return bound(d, sizes, shape, layout);
  } else if constexpr (keeps_codes<Tier>) {
    typename Tier::config own = sizes;
    own.bytes = code_bytes_of<Tier>(sizes, shape, layout.page_tokens);
    return bound(d, own, frame_bytes);
  } else {
    return bound(d, sizes, frame_bytes);
  }
}

}  // namespace kvstrata::detail
