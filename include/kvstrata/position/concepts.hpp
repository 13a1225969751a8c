// How a cached key carries its token's position, where its tokens may stand at any place of a context: a block is encoded once,
// and used at many starts.
//
// A model with rotary positions turns K by the token's position (position/rotary.hpp). Turning adds up: by a and then by b is by
// a + b. So a policy is arithmetic on how far K is turned at each of three places, and turns nothing itself:
//
// expression                       meaning
// -------------------------------- --------------------------------------------------------------------------------
// P::name -> std::string_view      what texts and options call it
// P::encodes -> bool               false: K carries no position, and the model says it otherwise (a relative bias)
// P::turns_reads -> bool           false: read() is 0 for all, so that nobody asks it key by key
// p.kept(token) -> turn_by         K of a block's token with that number is written into the block's pages turned so far
// p.copied(start) -> turn_by       a block that begins at `start` of a context is copied, all of its K turned so far. 0: its pages
//                                  are used where they lie
// p.read(position) -> turn_by      K of a block is turned so far where it is read as the key at `position`
//
// Where P::encodes, kept(t) + copied(s) + read(s + t) == s + t: what is attended to is the key at its position, whatever the
// policy. Otherwise all three are 0. Positions are below most_positions. All is constexpr and noexcept; copyable; thread-safe.
//
// Shared pages are never turned: two requests that use a block at two starts would spoil it for each other.
//
// tests/position/position_conformance.hpp holds a policy of your own to this. Smallest model: position/none.hpp. Models:
// position_free (turned where it is read), rotate_on_copy (kept turned, copied where it must be turned on), none.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// By how many positions a key is turned; back where it is below 0.
using turn_by = std::int64_t;

/// The bounds of position/rotary.hpp hold for positions below it.
inline constexpr token_count most_positions = 1U << 24U;

template <class P>
concept position_policy = std::copyable<P> && requires(const P& p, token_count token) {
  { P::name } -> std::convertible_to<std::string_view>;
  { P::encodes } -> std::convertible_to<bool>;
  { P::turns_reads } -> std::convertible_to<bool>;
  { p.kept(token) } noexcept -> std::same_as<turn_by>;
  { p.copied(token) } noexcept -> std::same_as<turn_by>;
  { p.read(token) } noexcept -> std::same_as<turn_by>;
};

/// Must a block that begins at `start` be copied before it is attended to?
template <position_policy P>
[[nodiscard]] constexpr bool is_copied(const P& p, token_count start) noexcept
{
  return p.copied(start) != 0;
}

}  // namespace kvstrata
