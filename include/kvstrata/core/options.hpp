// Named options of a policy template, in any order: pinned_arena<evict_whole, replaced_by<fifo>>.
//
// An option is a type with a member `option_kind`; find_option picks the first of a kind, or a default.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Models: evict_front, evict_whole (replacement/shedding.hpp), replaced_by<P> (below).
template <class T>
concept option = requires { typename T::option_kind; };

namespace detail {

template <class Kind, class Default, class... Options>
struct find_option
{
  using type = Default;
};

template <class Kind, class Default, class First, class... Rest>
struct find_option<Kind, Default, First, Rest...>
    : std::conditional_t<std::is_same_v<typename First::option_kind, Kind>, std::type_identity<First>,
                         find_option<Kind, Default, Rest...>>
{
};

}  // namespace detail

template <class Kind, class Default, option... Options>
using find_option_t = typename detail::find_option<Kind, Default, Options...>::type;

struct replacement_option;

/// Gives one tier its own replacement policy, in place of the cache's.
template <class Replacement>
struct replaced_by
{
  using option_kind = replacement_option;
  using type = Replacement;
};

/// The default: the tier follows the cache's replacement policy.
struct replaced_as_cache
{
  using option_kind = replacement_option;
};

namespace detail {

template <class Option, class CachePolicy>
struct replacement_of
{
  using type = typename Option::type;
};

template <class CachePolicy>
struct replacement_of<replaced_as_cache, CachePolicy>
{
  using type = CachePolicy;
};

}  // namespace detail

/// The policy that a tier with this replacement option runs in a cache with that policy.
template <class Option, class CachePolicy>
using replacement_of_t = typename detail::replacement_of<Option, CachePolicy>::type;

}  // namespace kvstrata
