// The codec of a tier: what its frames hold, and how large they are.
#pragma once

#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sizes.hpp>
#include <kvstrata/layout/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

template <class T>
struct tier_codec
{
  using type = codec::identity;
};
template <class T>
  requires requires { typename T::codec; }
struct tier_codec<T>
{
  using type = typename T::codec;
};

}  // namespace detail

/// How a tier keeps bytes: T::codec, or as they are.
template <class T>
using tier_codec_t = typename detail::tier_codec<T>::type;

/// Does a memory keep another form of its pages?
template <class T>
concept keeps_codes = !std::is_same_v<tier_codec_t<T>, codec::identity>;

/// The shape of what a memory's frames hold: layouts place codes as they place pages. Not a token means anything in it, but a
/// page of it in one layer has the bytes of a code. Throws config_error where the codec cannot encode such pages.
template <class Recipe>
[[nodiscard]] geometry stored_shape(const typename Recipe::config& sizes, const geometry& shape,
                                    token_count page_tokens)
{
  if constexpr (!keeps_codes<Recipe>) {
    return shape;
  } else {
    const piece_shape piece = piece_of(shape, page_tokens);
    if (piece.bytes() % 16 != 0) {
      throw config_error("a page in one layer", std::to_string(piece.bytes()) + " bytes",
                         "a memory that keeps a code of it wants a multiple of 16");
    }
    const std::size_t step = std::size_t{2} * page_tokens;
    const std::size_t code = tier_codec_t<Recipe>::coder(piece, sizes.codec).code_bytes();
    // Dense pages lie at multiples of 16, as codes want it.
    const std::size_t width = (code + step - 1) / step;
    constexpr std::size_t widest = std::size_t{1} << 15U;
    const std::size_t heads = (width + widest - 1) / widest;
    std::size_t each = (width + heads - 1) / heads;
    while (each * heads * step % 16 != 0) ++each;
    return {.layers = shape.layers,
            .kv_heads = static_cast<std::uint32_t>(heads),
            .head_dim = static_cast<std::uint32_t>(each),
            .element = element_type::int8};
  }
}

/// Raw frames of a memory with so many bytes: its share of them, and at least one. Throws config_error.
template <class Recipe>
[[nodiscard]] page_count raw_frames_of(const typename Recipe::config& sizes, const geometry& shape,
                                       token_count page_tokens)
{
  if constexpr (!keeps_codes<Recipe>) {
    return 0;
  } else {
    if (!(sizes.raw_share > 0 && sizes.raw_share < 1)) {
      throw config_error("arena.raw_share", std::to_string(sizes.raw_share),
                         "it must be more than 0 and less than 1: pages on their way have such frames");
    }
    const double wanted = static_cast<double>(sizes.bytes) * sizes.raw_share;
    const auto frames = static_cast<std::uint64_t>(wanted / static_cast<double>(page_bytes(shape, page_tokens)));
    return static_cast<page_count>(std::clamp<std::uint64_t>(frames, 1, std::uint64_t{1} << 30U));
  }
}

/// The bytes that a memory has for codes: what raw frames leave.
template <class Recipe>
[[nodiscard]] std::size_t code_bytes_of(const typename Recipe::config& sizes, const geometry& shape,
                                        token_count page_tokens)
{
  const std::size_t raw =
      std::size_t{raw_frames_of<Recipe>(sizes, shape, page_tokens)} * page_bytes(shape, page_tokens);
  return sizes.bytes > raw ? sizes.bytes - raw : 0;
}

/// The inverse: what a tier's configuration must say for so many frames, raw ones beside them where it keeps codes. Throws
/// config_error where that cannot be counted.
template <class Recipe>
[[nodiscard]] std::uint64_t tier_bytes_for([[maybe_unused]] const typename Recipe::config& sizes, const geometry& shape,
                                           token_count page_tokens, std::uint64_t frames)
{
  if constexpr (!keeps_codes<Recipe>) {
    return checked_product("bytes of all users", frames, page_bytes(shape, page_tokens));
  } else {
    const geometry stored = stored_shape<Recipe>(sizes, shape, page_tokens);
    const std::uint64_t codes = checked_product("bytes of all users", frames, page_bytes(stored, page_tokens));
    if (codes == 0) return 0;
    typename Recipe::config all = sizes;
    all.bytes = static_cast<std::size_t>(static_cast<double>(codes) / (1 - sizes.raw_share));
    while (code_bytes_of<Recipe>(all, shape, page_tokens) < codes) all.bytes += page_bytes(stored, page_tokens);
    return all.bytes;
  }
}

}  // namespace kvstrata
