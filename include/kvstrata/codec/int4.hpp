// A page codec with loss: four bits a value, and a scale for each channel of a head of a page, K and V apart. 3.5x of bf16
// with heads of 64 and pages of 32 tokens. What it loses is seen in answers (docs/codecs.md): tools offer it behind a flag.
//
//   bytes of a unit  what
//   ---------------- ---------------------------------------------------------------------------------------------------
//   0 to 15          its head (codec/head_units.hpp): "i4s " symmetric, "i4z " from the minimum; the scale: 1
//   then             a scale a channel, bf16
//   then             a token after the other, two channels a byte, the even one in the lower half
//
// Symmetric: a value is scale * q with q from -7 to 7. From the minimum of an activation: minimum + scale * q with q from 0
// to 15. A channel's scale is its largest magnitude / 7, or (its largest value - minimum) / 15, rounded up to a bf16.
//
// **Bound**: a decoded value differs from what was encoded by at most 0.501 of its channel's scale, and half a unit in the
// last place of the element; below the minimum, from the minimum by no more than the latter. Rounding up makes a scale at
// most 2^-7 larger. It is at least 2^-120.
//
// A unit with a value that is not finite, or beyond 2^120, is kept as it is: unit_kind::raw. One with a channel whose scale
// is negative or not finite is malformed.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/channel_steps.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/head_coder.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/step_config.hpp>
#include <kvstrata/codec/survey.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct int4_arithmetic
{
  bool from_minimum = false;
  float minimum = 0;

  [[nodiscard]] constexpr std::uint32_t letters() const noexcept
  {
    return from_minimum ? four_letters('i', '4', 'z', ' ') : four_letters('i', '4', 's', ' ');
  }

  [[nodiscard]] constexpr unit_head head() const noexcept { return {letters(), 1, minimum, 0}; }
  /// The bits of a bf16, from the largest magnitude of a channel, or from how far it reaches above the minimum.
  [[nodiscard]] constexpr std::uint16_t scale_for(float reach) const noexcept
  {
    return channel_scale(reach, from_minimum ? 15.0F : 7.0F);
  }

  template <element_type E>
  [[nodiscard]] unit_kind encode(const head_units& units, const typename element_bits<E>::bits* from,
                                 std::byte* code) const noexcept
  {
    const survey<E> seen = survey_of<E>(units, from);
    if (!seen.is_finite() || seen.largest_magnitude() > farthest_step) return unit_kind::raw;
    if (from_minimum) {
      detail::to_channel_steps<E, true> work{units, from, code + unit_head_bytes, minimum};
      detail::by_processor(work);
    } else {
      detail::to_channel_steps<E, false> work{units, from, code + unit_head_bytes, 0};
      detail::by_processor(work);
    }
    head().write(code);
    return unit_kind::coded;
  }

  template <element_type E>
  [[nodiscard]] unit_kind decode(const head_units& units, const unit_head& head, const std::byte* code,
                                 typename element_bits<E>::bits* to) const noexcept
  {
    const std::byte* const from = code + unit_head_bytes;
    for (std::size_t d = 0; d < units.head_dim; ++d) {
      if (detail::channel_scale_bits(from, d) >= 0x7f80U) return unit_kind::malformed;
    }
    if (from_minimum) {
      detail::from_channel_steps<E, false> work{units, from, to, head.zero};
      detail::by_processor(work);
    } else {
      detail::from_channel_steps<E, true> work{units, from, to, head.zero};
      detail::by_processor(work);
    }
    return unit_kind::coded;
  }
};

struct int4
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "int4";
  static constexpr bool lossy = true;

  using config = step_config;
  using bound = head_coder<int4_arithmetic>;

  /// f32, f16 and bf16, up to 1 GiB.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    const std::size_t row = (std::size_t{piece.head_dim} + 1) / 2;
    return bound(head_units_of(piece, 2 * std::size_t{piece.head_dim} + piece.tokens * row, name),
                 {told.minimum.has_value(), told.zero(name)});
  }
};

static_assert(page_codec<int4>);

}  // namespace kvstrata::codec
