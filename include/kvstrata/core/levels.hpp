// Levels of the hierarchy by number: 0 is the slab, 1 the memory below it, and so on.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Position in a tier_stack, from the top.
using level_index = std::uint32_t;

/// The most levels that a stack may have: what figures are kept for.
inline constexpr level_index most_levels = 8;

/// A figure for each level; those of levels that are not there are 0.
template <class T>
using by_level = std::array<T, most_levels>;

/// A level that is known when the program is compiled.
template <level_index Level>
using level_constant = std::integral_constant<level_index, Level>;

/// Calls visit(level_constant<I>()) for I in [From, To), ascending. Unrolled: no loop is left at run time.
template <level_index From, level_index To, class Visit>
constexpr void each_level(Visit&& visit)
{
  if constexpr (From < To) {
    [&]<level_index... Level>(std::integer_sequence<level_index, Level...>) {
      (visit(level_constant<From + Level>()), ...);
    }(std::make_integer_sequence<level_index, To - From>());
  }
}

/// As each_level, until visit returns false. True when it never did.
template <level_index From, level_index To, class Visit>
constexpr bool each_level_while(Visit&& visit)
{
  if constexpr (From < To) {
    return [&]<level_index... Level>(std::integer_sequence<level_index, Level...>) {
      return (visit(level_constant<From + Level>()) && ...);
    }(std::make_integer_sequence<level_index, To - From>());
  } else {
    return true;
  }
}

}  // namespace kvstrata
