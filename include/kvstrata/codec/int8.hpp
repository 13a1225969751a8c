// A page codec with loss: a byte a value, and a scale for each head of a page, K and V apart. 1.98x of bf16 with heads of
// 64 and pages of 32 tokens.
//
//   bytes of a unit  what
//   ---------------- ---------------------------------------------------------------------------------------------------
//   0 to 15          its head (codec/head_units.hpp): "i8s " symmetric, its zero 0; "i8z " from the minimum, its zero that
//   then             a byte a value, token by token
//
// Symmetric: a value is scale * q with q from -127 to 127, and the scale is the largest magnitude / 127. From the minimum
// of an activation: a value is minimum + scale * q with q from 0 to 255, and the scale is (largest value - minimum) / 255.
// The latter has twice the steps where values are SiLU'd, and represents what gathers at the minimum exactly; what lies
// below the minimum becomes the minimum.
//
// **Bound**: a decoded value differs from what was encoded by at most 0.501 of the unit's scale, and half a unit in the
// last place of the element; below the minimum, from the minimum by no more than the latter. The scale is at least 2^-120.
//
// A unit with a value that is not finite, or beyond 2^120, is kept as it is: unit_kind::raw.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/head_coder.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/step_config.hpp>
#include <kvstrata/codec/steps.hpp>
#include <kvstrata/codec/survey.hpp>
#include <kvstrata/codec/values.hpp>
#include <kvstrata/core/exact.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct int8_arithmetic
{
  bool from_minimum = false;
  float minimum = 0;

  [[nodiscard]] constexpr std::uint32_t letters() const noexcept
  {
    return from_minimum ? four_letters('i', '8', 'z', ' ') : four_letters('i', '8', 's', ' ');
  }

  /// 0 for a unit that is kept raw.
  template <element_type E>
  [[nodiscard]] constexpr float scale_for(const survey<E>& seen) const noexcept
  {
    if (!seen.is_finite() || seen.largest_magnitude() > farthest_step) return 0;
    float reach = seen.largest_magnitude();
    if (from_minimum) reach = seen.largest_value() - minimum;
    const float scale = reach / (from_minimum ? 255.0F : 127.0F);
    return scale > least_scale ? scale : least_scale;
  }

  // ---- a value at a time, for kernels: the same ----
  static constexpr bool any_byte = true;  ///< there is no byte that is no code

  [[nodiscard]] constexpr float zero() const noexcept { return minimum; }
  template <element_type E, class Product>
  [[nodiscard]] constexpr std::uint8_t to_byte(typename element_bits<E>::bits value, float steps_a_unit) const noexcept
  {
    const float f = element_bits<E>::to_f32(value);
    return from_minimum ? step_of<true, Product>(f, minimum, steps_a_unit)
                        : step_of<false, Product>(f, 0, steps_a_unit);
  }
  template <element_type E, class Product>
  [[nodiscard]] constexpr auto from_byte(std::uint8_t code, const unit_head& head) const noexcept
  {
    const std::int32_t step = from_minimum ? std::int32_t{code} : std::int32_t{static_cast<std::int8_t>(code)};
    return element_bits<E>::from_f32(at_step<Product>(step, head.zero, head.scale));
  }

  template <element_type E>
  [[nodiscard]] unit_kind encode(const head_units& units, const typename element_bits<E>::bits* from,
                                 std::byte* code) const noexcept
  {
    const float scale = scale_for(survey_of<E>(units, from));
    if (is_exactly(scale, 0)) return unit_kind::raw;
    const unit_head head{letters(), scale, minimum, 0};
    head.write(code);
    auto* const to = reinterpret_cast<std::uint8_t*>(code + unit_head_bytes);
    if (from_minimum) {
      detail::to_steps<E, true> work{units, from, to, 1 / scale, minimum};
      detail::by_processor(work);
    } else {
      detail::to_steps<E, false> work{units, from, to, 1 / scale, 0};
      detail::by_processor(work);
    }
    return unit_kind::coded;
  }

  template <element_type E>
  [[nodiscard]] unit_kind decode(const head_units& units, const unit_head& head, const std::byte* code,
                                 typename element_bits<E>::bits* to) const noexcept
  {
    const auto* const from = code + unit_head_bytes;
    if (from_minimum) {
      detail::from_steps<E, std::uint8_t> work{units, reinterpret_cast<const std::uint8_t*>(from), to, head.scale,
                                               head.zero};
      detail::by_processor(work);
    } else {
      detail::from_steps<E, std::int8_t> work{units, reinterpret_cast<const std::int8_t*>(from), to, head.scale,
                                              head.zero};
      detail::by_processor(work);
    }
    return unit_kind::coded;
  }
};

struct int8
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "int8";
  static constexpr bool lossy = true;

  using config = step_config;
  using bound = head_coder<int8_arithmetic>;

  /// f32, f16 and bf16, up to 1 GiB.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    return bound(head_units_of(piece, std::size_t{piece.tokens} * piece.head_dim, name),
                 {told.minimum.has_value(), told.zero(name)});
  }
};

static_assert(page_codec<int8>);

}  // namespace kvstrata::codec
