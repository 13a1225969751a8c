// Which of a user's tokens are what the model computed, bit by bit, and which came through a lossy copy or were computed on top of
// one. That belongs to tokens, not to levels: it goes where they go.
//
// Histories are causal, so that of a copy a prefix is exact: a level that keeps its bytes as they are has a mark, the first token
// that is not; of one that keeps a lossy code none is. Where no tier of a stack is lossy there is no mark, and nothing of this.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/tiers/codes.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All tokens are exact.
inline constexpr token_count all_exact = (std::numeric_limits<token_count>::max)();

/// May what comes back from a tier differ from what it got?
template <class Tier>
inline constexpr bool is_lossy = tier_codec_t<Tier>::lossy;

namespace detail {

template <class Tiers, std::size_t First, std::size_t... Level>
[[nodiscard]] constexpr bool any_lossy(std::index_sequence<Level...>) noexcept
{
  return (is_lossy<typename Tiers::template tier<First + Level>> || ...);
}

}  // namespace detail

/// Must a cache of these tiers know which tokens are exact?
template <class Tiers>
inline constexpr bool tracks_exactness = detail::any_lossy<Tiers, 0>(std::make_index_sequence<Tiers::depth>());
template <class Tiers>
inline constexpr bool has_lossy_store =
    detail::any_lossy<Tiers, Tiers::memories>(std::make_index_sequence<Tiers::stores>());

/// A hook of a replacement policy, and the mark of the copy that it is of.
template <class Hook>
struct marked_hook : Hook
{
  token_count inexact_from = all_exact;
};

template <class Residence>
concept has_mark = requires(Residence& r) { r.inexact_from; };

/// The first of `tokens` that a tier with this copy, or this record, does not have exactly.
template <class Tier, class Residence>
[[nodiscard]] constexpr token_count first_inexact(const Residence& copy, token_interval tokens) noexcept
{
  if constexpr (!has_mark<const Residence>) {
    return all_exact;
  } else {
    if (tokens.empty()) return all_exact;
    if (is_lossy<Tier>) return tokens.begin;
    return copy.inexact_from < tokens.end ? (std::max)(copy.inexact_from, tokens.begin) : all_exact;
  }
}

/// The same of an entry's copy in that level.
template <class Tiers, level_index Level, class Entry>
[[nodiscard]] constexpr token_count inexact_in(const Entry& e, token_interval tokens) noexcept
{
  return first_inexact<typename Tiers::template tier<Level>>(e.template look<Level>(), tokens);
}

/// Pages are copied whole: what a copy of `tokens`, of which `has` are there to be read, brings along.
[[nodiscard]] constexpr token_interval copied_with(token_interval tokens, token_interval has,
                                                   token_count page_tokens) noexcept
{
  if (tokens.empty()) return tokens;
  return intersect(has, {tokens.begin - tokens.begin % page_tokens, tokens.end});
}

/// Tokens have come to a copy, the first inexact one of which is this.
template <class Residence>
constexpr void mark_inexact(Residence& copy, token_count first) noexcept
{
  if constexpr (has_mark<Residence>) copy.inexact_from = (std::min)(copy.inexact_from, first);
}

/// The copy has these tokens and no others from now on.
template <class Residence>
constexpr void settle_mark(Residence& copy) noexcept
{
  if constexpr (has_mark<Residence>) {
    if (copy.tokens.end <= copy.inexact_from || copy.tokens.empty()) copy.inexact_from = all_exact;
  }
}

}  // namespace kvstrata
