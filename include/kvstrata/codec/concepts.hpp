// How the bytes of a page may be kept in another form. A codec is arithmetic on one piece (codec/piece.hpp): it owns
// nothing and moves nothing.
//
// A codec C is a recipe, and an option of a tier (pinned_arena<codec::exp4>):
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename C::option_kind                codec_option
// C::name -> std::string_view            what texts and options call it
// C::lossy -> bool                       may decoded values differ from what was encoded?
// typename C::config                     what it is told at run time, an exponent table for instance; an aggregate that
//                                        serves as it is
// C::coder(piece, config)                a coder, bound to the shape of a piece. Throws config_error, in a sentence, where
//                                        it cannot encode such values
//
// A page coder k has codes of one size, whatever the values: what memories want, whose frames are equal.
//
// k.units() -> std::uint32_t             a piece is encoded in so many parts, each by itself, on any thread
// k.code_bytes() -> std::size_t          of an encoded piece, a multiple of 16. Code and raw bytes are aligned to 16
// k.encode(unit, raw, code)              one unit of the piece at `raw` into its place in `code`.
//   -> unit_kind                         unit_kind::raw: its values do not fit, or must stay as they are (not finite): then
//                                        nothing of `code` but the unit's head is written, which says so, and the unit's
//                                        raw bytes must be kept elsewhere
// k.mark_raw(unit, code)                 makes the head say so
// k.kind_of(unit, code) -> unit_kind     what its head says: coded, raw, or malformed, where it lies. O(1)
// k.decode(unit, code, raw)              back to its place in the piece at `raw`. Anything but unit_kind::coded: nothing was
//   -> unit_kind                         written. Whatever `code` holds, no byte beside the code and the unit is touched
// k.copy_raw(unit, from, to)             the unit's raw bytes from one piece to another
//
// Values of k are trivially copyable: a kernel takes it as an argument. All of it is const, noexcept and thread-safe, and
// does not allocate. Bodies for kernels, the same arithmetic by the threads of a block: codec/kernels/.
//
// A body coder k has codes as long as they turn out: what stores want.
//
// k.most_bytes() -> std::size_t          an encoded piece is never longer
// k.encode(raw, code) -> std::size_t     a piece into a span of at least most_bytes(); how long it is
// k.decode(code, raw) -> bool            false: malformed (cut short, too long, lies): nothing was written to `raw`
//
// It may allocate; it is const and thread-safe. Every page coder is one too: body_coder_of (codec/body_coder.hpp).
//
// Decoding what was encoded gives the raw bytes, bit by bit, where C is not lossy; else what the codec's own text bounds.
// tests/codec/codec_conformance.hpp holds a codec of your own to all of this. Smallest model: codec/identity.hpp. Models:
// exp4, int8, fp8, int4 (page coders), exp_zstd (a body coder).
#pragma once

#include <kvstrata/codec/piece.hpp>
#include <kvstrata/core/options.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct codec_option;

enum class unit_kind : std::uint8_t {
  coded,
  raw,        ///< its bytes are elsewhere, as they are
  malformed,  ///< no coder has written this
};

template <class K>
concept encodes_units = requires(const K& k, std::uint32_t unit, const std::byte* from, std::byte* to) {
  { k.units() } noexcept -> std::same_as<std::uint32_t>;
  { k.code_bytes() } noexcept -> std::same_as<std::size_t>;
  { k.encode(unit, from, to) } noexcept -> std::same_as<unit_kind>;
  { k.decode(unit, from, to) } noexcept -> std::same_as<unit_kind>;
};

template <class K>
concept marks_units = requires(const K& k, std::uint32_t unit, const std::byte* from, std::byte* to) {
  { k.mark_raw(unit, to) } noexcept;
  { k.kind_of(unit, from) } noexcept -> std::same_as<unit_kind>;
  { k.copy_raw(unit, from, to) } noexcept;
};

template <class K>
concept page_coder = std::is_trivially_copyable_v<K> && encodes_units<K> && marks_units<K>;

template <class K>
concept body_coder = requires(const K& k, std::span<const std::byte> from, std::span<std::byte> to) {
  { k.most_bytes() } -> std::same_as<std::size_t>;
  { k.encode(from, to) } -> std::same_as<std::size_t>;
  { k.decode(from, to) } -> std::same_as<bool>;
};

template <class C>
concept codec_recipe = option<C> && std::same_as<typename C::option_kind, codec_option> &&
                       requires(const piece_shape& piece, const typename C::config& told) {
                         { C::name } -> std::convertible_to<std::string_view>;
                         { C::lossy } -> std::convertible_to<bool>;
                         C::coder(piece, told);
                       };

/// What C::coder gives.
template <codec_recipe C>
using coder_of = decltype(C::coder(std::declval<const piece_shape&>(), std::declval<const typename C::config&>()));

/// For memories: codes of one size.
template <class C>
concept page_codec = codec_recipe<C> && page_coder<coder_of<C>>;

/// For stores: codes of any size.
template <class C>
concept body_codec = codec_recipe<C> && body_coder<coder_of<C>>;

template <class C>
concept codec_policy = page_codec<C> || body_codec<C>;

}  // namespace kvstrata
