// What a transfer policy is made of, in any order:
//
//   layerwise_transfer<coalesced_copy, onload_by<staged_copy<>>, split_by_cost>
//
// direct_codes and staged_codes (transfer/codes/) say how codes cross the link, where a tier keeps them.
//
// A copy engine alone serves both directions; onload_by and offload_by give a direction an engine of its own (copy
// kernels steal multiprocessors, so one may want them in one direction only).
#pragma once

#include <kvstrata/core/options.hpp>
#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <concepts>
#include <cstddef>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct onload_engine_option;
struct offload_engine_option;

/// Onloads with this engine, whatever serves the other direction.
template <engine_recipe Engine>
struct onload_by
{
  using option_kind = onload_engine_option;
  using type = Engine;
};

/// Offloads with this engine, whatever serves the other direction.
template <engine_recipe Engine>
struct offload_by
{
  using option_kind = offload_engine_option;
  using type = Engine;
};

namespace detail {

template <class Kind, class... Kinds>
inline constexpr bool is_one_of = (std::same_as<Kind, Kinds> || ...);

template <class Kind, class... Options>
inline constexpr std::size_t count_of_kind =
    (std::size_t{0} + ... + (std::same_as<typename Options::option_kind, Kind> ? 1 : 0));

}  // namespace detail

/// Something that a transfer policy knows what to do with.
template <class T>
concept transfer_option =
    option<T> && detail::is_one_of<typename T::option_kind, copy_engine_option, onload_engine_option,
                                   offload_engine_option, codes_option, split_policy_option>;

/// No two options say the same thing.
template <class... Options>
concept one_of_each_kind = ((detail::count_of_kind<typename Options::option_kind, Options...> == 1) && ...);

/// What the options of a transfer come to.
template <transfer_option... Options>
  requires one_of_each_kind<Options...>
struct transfer_choice
{
  using engine = find_option_t<copy_engine_option, coalesced_copy, Options...>;
  using onload_engine = typename find_option_t<onload_engine_option, onload_by<engine>, Options...>::type;
  using offload_engine = typename find_option_t<offload_engine_option, offload_by<engine>, Options...>::type;
  using split = find_option_t<split_policy_option, always_fetch, Options...>;
  using codes =
      find_option_t<codes_option, direct_codes<>, Options...>;  ///< how pages travel of which a tier keeps a code
  /// Throws config_error when an engine cannot move pages of so many bytes a layer.
  static void check_piece(std::size_t piece_bytes)
  {
    detail::check_piece<onload_engine>(piece_bytes);
    detail::check_piece<offload_engine>(piece_bytes);
  }

  static_assert(split_policy<split>);
};

}  // namespace kvstrata
