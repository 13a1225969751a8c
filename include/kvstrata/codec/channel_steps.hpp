// Values to multiples of a step that each channel has for itself, two in a byte, and back: int4's loops.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/steps.hpp>
#include <kvstrata/codec/values.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// The least bf16 that is not below a finite value that is positive.
[[nodiscard]] constexpr std::uint16_t bf16_above(float value) noexcept
{
  return static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(value) + 0xffffU) >> 16U);
}

/// Of int4, by the largest magnitude of a channel, or by how far it reaches above the minimum.
[[nodiscard]] constexpr std::uint16_t channel_scale(float reach, float most_steps) noexcept
{
  constexpr float least = 0x1p-120F;
  const float scale = reach / most_steps;
  return bf16_above(scale > least ? scale : least);
}

namespace detail {

/// Channels worked on at a time: their scales lie on the stack.
inline constexpr std::size_t channels_at_once = 64;

[[nodiscard]] inline std::uint32_t channel_scale_bits(const std::byte* scales, std::size_t channel) noexcept
{
  std::uint16_t bits;
  std::memcpy(&bits, scales + 2 * channel, 2);
  return bits;
}

template <element_type E, bool From_zero>
struct to_channel_steps
{
  const head_units& units;
  const typename element_bits<E>::bits* from;
  std::byte* to;  ///< scales, then steps
  float zero;

  [[gnu::always_inline]] void run() const noexcept
  {
    for (std::size_t first = 0; first < units.head_dim; first += channels_at_once) {
      const std::size_t left = units.head_dim - first;
      some(first, left < channels_at_once ? left : channels_at_once);
    }
  }

  [[gnu::always_inline]] void some(std::size_t first, std::size_t channels) const noexcept
  {
    std::array<std::int32_t, channels_at_once> reach{};  // the bits of floats, which are in order
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const auto* const row = from + token * units.token_stride() + first;
      for (std::size_t d = 0; d < channels; ++d) {
        const auto above = std::bit_cast<std::int32_t>(element_bits<E>::to_f32(row[d]) - zero);
        const std::int32_t r = From_zero ? above : above & 0x7fff'ffff;
        reach[d] = r > reach[d] ? r : reach[d];
      }
    }
    std::array<float, channels_at_once> steps_a_unit{};
    for (std::size_t d = 0; d < channels; ++d) {
      const std::uint16_t scale = channel_scale(std::bit_cast<float>(reach[d]), From_zero ? 15.0F : 7.0F);
      std::memcpy(to + 2 * (first + d), &scale, 2);
      steps_a_unit[d] = 1 / element_bits<element_type::bf16>::to_f32(scale);
    }
    const std::size_t row_bytes = (std::size_t{units.head_dim} + 1) / 2;
    auto* const out = reinterpret_cast<std::uint8_t*>(to + 2 * std::size_t{units.head_dim}) + first / 2;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const auto* const row = from + token * units.token_stride() + first;
      std::array<std::uint8_t, channels_at_once> steps{};
      for (std::size_t d = 0; d < channels; ++d) {
        steps[d] = step_of<From_zero>(element_bits<E>::to_f32(row[d]), zero, steps_a_unit[d]);
      }
      for (std::size_t i = 0; 2 * i < channels; ++i) {
        out[token * row_bytes + i] =
            static_cast<std::uint8_t>((steps[2 * i] & 15U) | std::uint32_t{steps[2 * i + 1]} << 4U);
      }
    }
  }
};

template <element_type E, bool Signed>
struct from_channel_steps
{
  const head_units& units;
  const std::byte* from;
  typename element_bits<E>::bits* to;
  float zero;

  [[gnu::always_inline]] void run() const noexcept
  {
    for (std::size_t first = 0; first < units.head_dim; first += channels_at_once) {
      const std::size_t left = units.head_dim - first;
      some(first, left < channels_at_once ? left : channels_at_once);
    }
  }

  [[gnu::always_inline]] void some(std::size_t first, std::size_t channels) const noexcept
  {
    std::array<float, channels_at_once> scale{};
    for (std::size_t d = 0; d < channels; ++d) {
      scale[d] =
          element_bits<element_type::bf16>::to_f32(static_cast<std::uint16_t>(channel_scale_bits(from, first + d)));
    }
    const std::size_t row_bytes = (std::size_t{units.head_dim} + 1) / 2;
    const auto* const in = reinterpret_cast<const std::uint8_t*>(from + 2 * std::size_t{units.head_dim}) + first / 2;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      std::array<std::uint8_t, channels_at_once> steps{};
      for (std::size_t i = 0; 2 * i < channels; ++i) {
        const std::uint8_t two = in[token * row_bytes + i];
        steps[2 * i] = static_cast<std::uint8_t>(two & 15U);
        steps[2 * i + 1] = static_cast<std::uint8_t>(two >> 4U);
      }
      auto* const out = to + token * units.token_stride() + first;
      for (std::size_t d = 0; d < channels; ++d) {
        const auto bits = static_cast<std::int32_t>(steps[d]);
        const std::int32_t q = Signed ? (bits ^ 8) - 8 : bits;
        out[d] = element_bits<E>::from_f32(within<E>(at_step(q, zero, scale[d])));
      }
    }
  }
};

}  // namespace detail

}  // namespace kvstrata::codec
