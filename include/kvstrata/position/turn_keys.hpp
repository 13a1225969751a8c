// Turns rows of K, as they lie in pages. Plain arithmetic, also for kernels.
//
// How near it comes, with m the length of a pair and u half a unit in the last place of an element (2^-24, 2^-11, 2^-8 of f32, f16,
// bf16): a turn in f32 is at most 4 * 2^-24 m from the exact one in either number, and what is stored is rounded by u m. Two
// turns, a and b, with a page between them, are within turn_bound(element) m of one turn by a + b, for positions below
// most_positions and elements of normal size.
#pragma once

#include <kvstrata/codec/values.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// See above: three roundings of elements, and three turns in f32.
[[nodiscard]] constexpr double turn_bound(element_type element) noexcept
{
  constexpr double turns = 0x1p-20;
  if (element == element_type::bf16) return 3 * 0x1p-8 + turns;
  if (element == element_type::f16) return 3 * 0x1p-11 + turns;
  return turns;
}

/// Pairs (i, pairs + i) of a head of elements E turned by the angles, from one place to another, or the same.
template <element_type E>
constexpr void turn_head(const typename codec::element_bits<E>::bits* from, typename codec::element_bits<E>::bits* to,
                         const float* cosines, const float* sines, std::uint32_t pairs) noexcept
{
  using value = codec::element_bits<E>;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const float x = value::to_f32(from[i]), y = value::to_f32(from[pairs + i]);
    to[i] = value::from_f32(x * cosines[i] - y * sines[i]);
    to[pairs + i] = value::from_f32(x * sines[i] + y * cosines[i]);
  }
}

namespace detail {

template <element_type E>
void turn_rows(const std::byte* from, std::byte* to, std::size_t heads, const float* cosines, const float* sines,
               std::uint32_t pairs) noexcept
{
  using bits = typename codec::element_bits<E>::bits;
  for (std::size_t h = 0; h < heads; ++h) {
    turn_head<E>(reinterpret_cast<const bits*>(from) + h * 2 * pairs, reinterpret_cast<bits*>(to) + h * 2 * pairs,
                 cosines, sines, pairs);
  }
}

}  // namespace detail

/// Throws config_error for elements that cannot be turned: of 8 bits there is too little left.
inline void check_turned(const geometry& shape)
{
  if (!codec::has_element_bits(shape.element)) {
    throw config_error("geometry.element", name_of(shape.element), "only f32, bf16 and f16 keys can be turned");
  }
  if (shape.head_dim % 2 != 0) {
    throw config_error("geometry.head_dim", shape.head_dim, "it must be even: rotary positions turn pairs");
  }
}

/// `rows` rows of K ([rows][kv_heads][head_dim], side by side) turned by one turn's angles ([head_dim / 2]), from one place to
/// another, or the same. The shape must have passed check_turned.
inline void turn_keys(const geometry& shape, const std::byte* from, std::byte* to, std::size_t rows,
                      const float* cosines, const float* sines) noexcept
{
  const std::size_t heads = rows * shape.kv_heads;
  const std::uint32_t pairs = shape.head_dim / 2;
  if (shape.element == element_type::f32) {
    detail::turn_rows<element_type::f32>(from, to, heads, cosines, sines, pairs);
  } else if (shape.element == element_type::bf16) {
    detail::turn_rows<element_type::bf16>(from, to, heads, cosines, sines, pairs);
  } else {
    detail::turn_rows<element_type::f16>(from, to, heads, cosines, sines, pairs);
  }
}

}  // namespace kvstrata
