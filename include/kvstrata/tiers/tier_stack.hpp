// The tiers of a cache, from the device downwards.
//
//   tier_stack<device_slab<D>>                                  device only: what is evicted is gone
//   tier_stack<device_slab<D>, pinned_arena<>>                  with a memory below
//   tier_stack<device_slab<D>, pinned_arena<>, mapped_file<>>   with two; and so on
//   tier_stack<device_slab<D>, pinned_arena<>, memory_store<>>  with a store below the last memory; there may be several
//
// The type's name grows with the stack. Programs that meet it in messages do well to give it one of their own:
//
//   struct tiers : kvstrata::tier_stack<...> {};
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>
#include <kvstrata/tiers/refuse_lower_tier.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// A tier's part of a stack.
template <class T, class Device>
struct lower_part
{
  using config = typename T::config;
  static constexpr std::string_view name = name_of_tier<T>();
};
template <store_recipe T, class Device>
struct lower_part<T, Device>
{
  using config = store_ref<typename T::template on<Device>>;
  static constexpr std::string_view name = name_of_store<T>();
};

/// Refuses with a sentence.
template <class Slab, class... Lower>
struct refuse_stack
{
  static_assert(slab_tier<Slab>,
                "the first tier of a tier_stack must be a device_slab: attention reads pages of device memory");
  static_assert(sizeof...(Lower) < most_levels, "a tier_stack has at most 8 levels");
  static constexpr bool value = true;
};

/// Refuses with a sentence.
template <class Slab, class... Lower>
struct refuse_order
{
  using device_type = typename Slab::device_type;
  static constexpr std::size_t tiers = sizeof...(Lower);
  static constexpr bool stores[tiers + 1] = {store_recipe<Lower>..., false};

  [[nodiscard]] static constexpr bool memories_come_first() noexcept
  {
    for (std::size_t i = 1; i < tiers; ++i) {
      if (stores[i - 1] && !stores[i]) return false;
    }
    return true;
  }

  static_assert(!stores[0],
                "a store in a tier_stack needs a memory above it, which feeds it and which it feeds: the device never "
                "meets a store; put a pinned_arena between the slab and the store");
  static_assert(stores[0] || memories_come_first(),
                "the memories of a tier_stack must stand above its stores: a store is fed from the last memory");
  static_assert(
      !(store_recipe<Lower> || ...) || host_stream_device<device_type>,
      "a tier_stack with a store needs a device with host streams (host_stream_device): what a store promises "
      "are points that the host completes");
  static constexpr bool value = true;
};

}  // namespace detail

template <class Slab, class... Lower>
  requires detail::refuse_stack<Slab, Lower...>::value && detail::refuse_order<Slab, Lower...>::value &&
           (detail::is_lower_tier<Lower, typename Slab::device_type> && ...)
struct tier_stack
{
  using device_type = typename Slab::device_type;
  static constexpr level_index depth = 1 + sizeof...(Lower);                                       ///< levels
  static constexpr level_index stores = (level_index{0} + ... + (store_recipe<Lower> ? 1U : 0U));  ///< the last of them
  static constexpr level_index memories = depth - stores;  ///< those that a copy can address, the slab included

  template <level_index Level>
  using tier = std::tuple_element_t<Level, std::tuple<Slab, Lower...>>;

  /// Of each tier, from the top: `.tiers = {{.bytes = a}, {.bytes = b}, {.store = &s}}`.
  using config = std::tuple<typename Slab::config, typename detail::lower_part<Lower, device_type>::config...>;

  static constexpr std::array<std::string_view, depth> names{name_of_tier<Slab>(),
                                                             detail::lower_part<Lower, device_type>::name...};
};

/// A tier_stack, or a type derived from one.
template <class T>
concept tiers = requires {
  typename T::device_type;
  typename T::config;
  typename T::template tier<0>;
  { T::memories } -> std::convertible_to<level_index>;
  { T::stores } -> std::convertible_to<level_index>;
} && slab_tier<typename T::template tier<0>>;

namespace detail {

/// Refuses with a sentence.
template <class T>
struct refuse_tiers
{
  static_assert(tiers<T>, "the tiers of a cache must be a tier_stack, or a type derived from one");
  static constexpr bool value = true;
};

}  // namespace detail

/// As tiers; but with anything else the program does not compile, and is told why.
template <class T>
concept tiers_of_a_cache = detail::refuse_tiers<T>::value;

}  // namespace kvstrata
