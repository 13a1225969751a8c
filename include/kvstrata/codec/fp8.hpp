// A page codec with loss: e4m3, for hardware that reads it, and a power of two for each head of a page, K and V apart.
// 1.98x of bf16 with heads of 64 and pages of 32 tokens. At the same size int8 errs less (docs/codecs.md).
//
//   bytes of a unit  what
//   ---------------- -----------------------------------------------------------------------------------------------
//   0 to 15          its head (codec/head_units.hpp): "e4m3", its zero 0
//   then             a byte a value, token by token (codec/e4m3.hpp)
//
// The scale is the power of two that brings the unit's largest magnitude into (224, 448], but at least 2^-118: so nothing
// saturates, whatever the model, and a value loses its three bits only 2^14 below the largest. On K and V of a trained HSTU
// both make no difference, and the power of two costs no rounding; attention kernels that read fp8 multiply by a factor a
// head in any case. config::scaled = false leaves it at 1, for those that do not.
//
// **Bound**: a decoded value differs from what was encoded by at most 1/16 of its magnitude, or 2^-10 of the scale where
// that is more; and, below the least normal value of the element, half of its least step.
//
// A unit with a value that is not finite is kept as it is, as is one that would saturate (not scaled, and a value beyond
// 448): unit_kind::raw. So no code has a NaN, and one that does is malformed.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/e4m3.hpp>
#include <kvstrata/codec/head_coder.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/survey.hpp>
#include <kvstrata/codec/values.hpp>
#include <kvstrata/core/exact.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

namespace detail {

template <element_type E>
struct to_e4m3_work
{
  const head_units& units;
  const typename element_bits<E>::bits* from;
  std::uint8_t* to;
  float factor;

  [[gnu::always_inline]] void run() const noexcept
  {
    const std::size_t dim = units.head_dim;
    const float by = factor;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const auto* const row = from + token * units.token_stride();
      std::uint8_t* const out = to + token * dim;
      for (std::size_t d = 0; d < dim; ++d) out[d] = to_e4m3(element_bits<E>::to_f32(row[d]) * by);
    }
  }
};

template <element_type E>
struct from_e4m3_work
{
  const head_units& units;
  const std::uint8_t* from;
  typename element_bits<E>::bits* to;
  float scale;

  [[gnu::always_inline]] void run() const noexcept
  {
    const std::size_t dim = units.head_dim;
    const float by = scale;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const std::uint8_t* const row = from + token * dim;
      auto* const out = to + token * units.token_stride();
      for (std::size_t d = 0; d < dim; ++d) out[d] = element_bits<E>::from_f32(within<E>(from_e4m3(row[d]) * by));
    }
  }
};

/// Whether any of `bytes` bytes is a NaN.
struct nan_work
{
  const std::uint8_t* from;
  std::size_t bytes;
  std::uint32_t largest = 0;

  [[gnu::always_inline]] void run() noexcept
  {
    std::uint8_t most = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      const auto rest = static_cast<std::uint8_t>(from[i] & 0x7fU);
      most = rest > most ? rest : most;
    }
    largest = most;
  }
};

}  // namespace detail

struct fp8_arithmetic
{
  bool scaled = true;

  [[nodiscard]] static constexpr std::uint32_t letters() noexcept { return four_letters('e', '4', 'm', '3'); }

  /// 0 for a unit that is kept raw.
  template <element_type E>
  [[nodiscard]] constexpr float scale_for(const survey<E>& seen) const noexcept
  {
    if (!seen.is_finite()) return 0;
    const float magnitude = seen.largest_magnitude();
    if (!scaled) return magnitude > largest_e4m3 ? 0.0F : 1.0F;
    // 2^(exponent - 8) brings it to between 256 and 512; once more where that is beyond 448. At least 2^-118.
    const auto bits = std::bit_cast<std::uint32_t>(magnitude);
    const std::uint32_t exponent = (bits >> 23U) + ((bits & 0x7f'ffffU) > 0x60'0000U ? 1U : 0U);
    return std::bit_cast<float>((exponent > 17 ? exponent - 8 : 9) << 23U);
  }

  // ---- a value at a time, for kernels: the same ----
  static constexpr bool any_byte = false;

  [[nodiscard]] static constexpr bool is_code(std::uint8_t byte) noexcept { return (byte & 0x7fU) != 0x7fU; }
  [[nodiscard]] static constexpr float zero() noexcept { return 0; }
  template <element_type E, class>
  [[nodiscard]] constexpr std::uint8_t to_byte(typename element_bits<E>::bits value, float factor) const noexcept
  {
    return to_e4m3(element_bits<E>::to_f32(value) * factor);
  }
  template <element_type E, class>
  [[nodiscard]] constexpr auto from_byte(std::uint8_t code, const unit_head& head) const noexcept
  {
    return element_bits<E>::from_f32(within<E>(from_e4m3(code) * head.scale));
  }

  template <element_type E>
  [[nodiscard]] unit_kind encode(const head_units& units, const typename element_bits<E>::bits* from,
                                 std::byte* code) const noexcept
  {
    const float scale = scale_for(survey_of<E>(units, from));
    if (is_exactly(scale, 0)) return unit_kind::raw;
    unit_head{letters(), scale, 0, 0}.write(code);
    detail::to_e4m3_work<E> work{units, from, reinterpret_cast<std::uint8_t*>(code + unit_head_bytes), 1 / scale};
    detail::by_processor(work);
    return unit_kind::coded;
  }

  template <element_type E>
  [[nodiscard]] unit_kind decode(const head_units& units, const unit_head& head, const std::byte* code,
                                 typename element_bits<E>::bits* to) const noexcept
  {
    const auto* const from = reinterpret_cast<const std::uint8_t*>(code + unit_head_bytes);
    detail::nan_work look{from, std::size_t{units.tokens} * units.head_dim};
    detail::by_processor(look);
    if (look.largest == 0x7fU) return unit_kind::malformed;
    detail::from_e4m3_work<E> work{units, from, to, head.scale};
    detail::by_processor(work);
    return unit_kind::coded;
  }
};

struct fp8
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "fp8";
  static constexpr bool lossy = true;

  struct config
  {
    bool scaled = true;  ///< by a power of two a head and page
  };

  using bound = head_coder<fp8_arithmetic>;

  /// f32, f16 and bf16, up to 1 GiB.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    return bound(head_units_of(piece, std::size_t{piece.tokens} * piece.head_dim, name), {told.scaled});
  }
};

static_assert(page_codec<fp8>);

}  // namespace kvstrata::codec
