// Which levels a cache is made of: from its tiers and policies to types.
#pragma once

#include <kvstrata/books/entry.hpp>
#include <kvstrata/books/exactness.hpp>
#include <kvstrata/books/level.hpp>
#include <kvstrata/core/levels.hpp>

#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

template <tiers Tiers, class Replacement, class Numbers>
struct entry_of;
template <tiers Tiers, class Replacement, level_index... Level>
struct entry_of<Tiers, Replacement, std::integer_sequence<level_index, Level...>>
{
  template <level_index N>
  using policy = replacement_of_t<typename Tiers::template tier<N>::replacement, Replacement>;
  template <class Hook>
  using hook = std::conditional_t<tracks_exactness<Tiers>, marked_hook<Hook>, Hook>;
  using type = entry<hook<typename policy<Level>::hook>...>;
};

/// A level as a base class: levels neither move nor have a default.
template <level_index Level, class Here>
struct numbered
{
  Here here;

  template <class... Arguments>
  explicit numbered(std::in_place_t, Arguments&... arguments) : here(arguments...)
  {
  }
};

}  // namespace detail

/// One level for each tier, the slab first. Not synchronised.
template <tiers Tiers, class Replacement, layout_policy Layout>
class level_set
{
  using numbers = std::make_integer_sequence<level_index, Tiers::memories>;
  using entries = detail::entry_of<Tiers, Replacement, numbers>;

 public:
  static constexpr level_index memories = Tiers::memories;
  using device_type = typename Tiers::device_type;
  using entry_type = typename entries::type;

  template <level_index Level>
  using level_at = level<Level, Tiers, typename entries::template policy<Level>, Layout, entry_type>;

  level_set(device_type& d, const typename Tiers::config& sizes, const geometry& shape, const Layout& layout,
            const describer& describe)
      : all_(std::in_place, d, sizes, shape, layout, describe)
  {
  }

  template <level_index Level>
  [[nodiscard]] level_at<Level>& at() noexcept
  {
    return static_cast<detail::numbered<Level, level_at<Level>>&>(all_).here;
  }

 private:
  template <class Numbers>
  struct all_levels;
  template <level_index... Level>
  struct all_levels<std::integer_sequence<level_index, Level...>> : detail::numbered<Level, level_at<Level>>...
  {
    template <class... Arguments>
    explicit all_levels(std::in_place_t, Arguments&... arguments)
        : detail::numbered<Level, level_at<Level>>(std::in_place, arguments...)...
    {
    }
  };

  all_levels<numbers> all_;
};

}  // namespace kvstrata
