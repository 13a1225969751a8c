// The elements that lossy codecs read and write, as f32 and back: integer arithmetic without branches, which a compiler
// turns into vectors, and which is the same on a GPU.
#pragma once

#include <kvstrata/core/geometry.hpp>

#include <bit>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// `yes` where told so, else `no`, with no branch for a compiler to make of it: it would be no vector code.
[[nodiscard]] constexpr std::uint32_t choose(bool which, std::uint32_t yes, std::uint32_t no) noexcept
{
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(which);
  return (yes & mask) | (no & ~mask);
}

/// For f32, bf16 and f16:
///
///   bits             as an element lies in memory
///   magnitude        of the bits of an element: as integers they are in order
///   infinity         the magnitude of infinity; what is above is NaN
///   largest          finite value
///   to_f32(bits)     exact, of anything finite
///   from_f32(value)  the nearest, ties to even, of anything finite that is not beyond the largest element
template <element_type E>
struct element_bits;

template <>
struct element_bits<element_type::f32>
{
  using bits = std::uint32_t;
  using signed_bits = std::int32_t;
  static constexpr bits magnitude = 0x7fff'ffff;
  static constexpr bits infinity = 0x7f80'0000;
  static constexpr float largest = 0x1.fffffep127F;
  [[nodiscard]] static constexpr float to_f32(bits b) noexcept { return std::bit_cast<float>(b); }
  [[nodiscard]] static constexpr bits from_f32(float value) noexcept { return std::bit_cast<bits>(value); }
};

template <>
struct element_bits<element_type::bf16>
{
  using bits = std::uint16_t;
  using signed_bits = std::int16_t;
  static constexpr bits magnitude = 0x7fff;
  static constexpr bits infinity = 0x7f80;
  static constexpr float largest = 0x1.fep127F;
  [[nodiscard]] static constexpr float to_f32(bits b) noexcept
  {
    return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16U);
  }
  [[nodiscard]] static constexpr bits from_f32(float value) noexcept
  {
    const auto b = std::bit_cast<std::uint32_t>(value);
    return static_cast<bits>((b + 0x7fffU + (b >> 16U & 1U)) >> 16U);
  }
};

template <>
struct element_bits<element_type::f16>
{
  using bits = std::uint16_t;
  using signed_bits = std::int16_t;
  static constexpr bits magnitude = 0x7fff;
  static constexpr bits infinity = 0x7c00;
  static constexpr float largest = 65504;
  [[nodiscard]] static constexpr float to_f32(bits b) noexcept
  {
    const std::uint32_t sign = (static_cast<std::uint32_t>(b) & 0x8000U) << 16U;
    const std::uint32_t rest = static_cast<std::uint32_t>(b) & magnitude;
    const std::uint32_t normal = (rest << 13U) + (112U << 23U);
    // Below the least normal it is a multiple of 2^-24.
    const auto subnormal = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(rest)) * 0x1p-24F);
    return std::bit_cast<float>(sign | choose(rest < 0x400U, subnormal, normal));
  }
  [[nodiscard]] static constexpr bits from_f32(float value) noexcept
  {
    const auto b = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = b >> 16U & 0x8000U;
    const std::uint32_t rest = b & 0x7fff'ffffU;
    const std::uint32_t normal = (rest + 0xfffU + (rest >> 13U & 1U) - (112U << 23U)) >> 13U;
    // 0.5 has the bits of f32 where subnormals of f16 have theirs: adding it rounds.
    const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + 0.5F) - 0x3f00'0000U;
    return static_cast<bits>(sign | choose(rest < 0x3880'0000U, subnormal, normal));
  }
};

/// At most the largest element: where a scale was rounded up, its multiples reach farther.
template <element_type E>
[[nodiscard]] constexpr float within(float value) noexcept
{
  constexpr auto most = std::bit_cast<std::uint32_t>(element_bits<E>::largest);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fff'ffffU;
  return std::bit_cast<float>((bits & 0x8000'0000U) | (magnitude < most ? magnitude : most));
}

/// What lossy codecs encode.
[[nodiscard]] constexpr bool has_element_bits(element_type e) noexcept
{
  return e == element_type::f32 || e == element_type::bf16 || e == element_type::f16;
}

}  // namespace kvstrata::codec
