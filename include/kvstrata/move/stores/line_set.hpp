// One line for each store of a stack.
#pragma once

#include <kvstrata/move/stores/store_line.hpp>

#include <tuple>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

template <class Residency, class Numbers>
struct lines_of;
template <level_index Level, class Residency>
struct numbered_line
{
  store_line<Residency, Level> line;

  numbered_line(Residency& r, const typename Residency::tiers_type::config& sizes, const store_limits& limits)
      : line(r, std::get<Level>(sizes), limits)
  {
  }
};
template <class Residency, level_index... Store>
struct lines_of<Residency, std::integer_sequence<level_index, Store...>>
    : numbered_line<Residency::memories + Store, Residency>...
{
  lines_of(Residency& r, const typename Residency::tiers_type::config& sizes, const store_limits& limits)
      : numbered_line<Residency::memories + Store, Residency>(r, sizes, limits)...
  {
  }
};

}  // namespace detail

}  // namespace kvstrata
