// Where the own tokens of a request's beams lie in its scratch: token rows [0, rows()) that nobody else has, apart from the
// prompt, which all beams of the request share. A beam layout is bookkeeping: it moves nothing itself.
//
// expression                       meaning
// -------------------------------- --------------------------------------------------------------------------------
// L(widths)                        widths[s] >= 1: the most beams that have a token at step s. Throws config_error
// l.rows() -> uint32               token rows that the scratch must have
// l.start(width)                   a request begins: step 0 has so many beams, whose tokens may be written
// l.fork(parents)                  beams were selected: beam b goes on from beam parents[b] of the step before, and its
//   -> span<const beam_move>       next token may be written. What must be moved first, in this order, in every layer, K and
//                                  V; valid until the next call. Parents may be named several times or never
// l.steps(), l.width() -> uint32   tokens of each beam now, the one to be written included; beams now
// l.row(step, beam) -> uint32      where the token of that step of that beam's line lies, step < steps(), beam < width()
// L::ascending_parents -> bool     fork() takes ascending parents only (each at least the one before)
//
// start() and fork() throw usage_error, and nothing has changed, for width 0, one beyond the reservation, steps beyond it, a
// parent that is no beam, and parents out of order where that matters. They allocate nothing once the layout is made: one
// object serves request after request. Not synchronised.
//
// Models: reorder_in_place (every beam has its rows side by side; beams move), ancestor_indexed (append only; a table says
// where).
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <concepts>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Rows [from, from + rows) of the scratch become a copy at [to, to + rows). The two do not overlap.
struct beam_move
{
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t rows = 0;

  friend constexpr bool operator==(const beam_move&, const beam_move&) = default;
};

template <class L>
concept beam_layout = std::constructible_from<L, std::span<const std::uint32_t>> && std::movable<L> &&
                      requires(L& l, const L& c, std::uint32_t number, std::span<const std::uint32_t> parents) {
                        { L::ascending_parents } -> std::convertible_to<bool>;
                        { l.start(number) } -> std::same_as<void>;
                        { l.fork(parents) } -> std::same_as<std::span<const beam_move>>;
                        { c.rows() } -> std::same_as<std::uint32_t>;
                        { c.steps() } -> std::same_as<std::uint32_t>;
                        { c.width() } -> std::same_as<std::uint32_t>;
                        { c.row(number, number) } -> std::same_as<std::uint32_t>;
                      };

}  // namespace kvstrata
