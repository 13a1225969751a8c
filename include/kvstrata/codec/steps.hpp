// Values to multiples of a step, and back.
#pragma once

#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/values.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// The nearest whole number, ties to even, of one between -2^21 and 2^21, modulo 256: adding it to 1.5 * 2^23 rounds it,
/// and leaves it in the lowest bits.
[[nodiscard]] constexpr std::uint8_t nearest_byte(float value) noexcept
{
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(value + 0x1.8p23F));
}

/// A product that is rounded before anything is added to it. (A GPU's compiler has to be asked for that.)
struct plain_product
{
  [[nodiscard]] static constexpr float of(float a, float b) noexcept { return a * b; }
};

/// In steps from `zero` on. From_zero: what lies below becomes it. A scale that was made of the largest value has none
/// beyond the last step. (Compared as integers: as floats it would be no vector code.)
template <bool From_zero, class Product = plain_product>
[[nodiscard]] constexpr std::uint8_t step_of(float value, float zero, float steps_a_unit) noexcept
{
  const float steps = Product::of(value - zero, steps_a_unit);
  if constexpr (!From_zero) return nearest_byte(steps);
  const auto bits = std::bit_cast<std::int32_t>(steps);
  return nearest_byte(std::bit_cast<float>(bits < 0 ? 0 : bits));
}

template <class Product = plain_product>
[[nodiscard]] constexpr float at_step(std::int32_t step, float zero, float scale) noexcept
{
  return zero + Product::of(scale, static_cast<float>(step));
}

namespace detail {

template <element_type E, bool From_zero>
struct to_steps
{
  const head_units& units;
  const typename element_bits<E>::bits* from;
  std::uint8_t* to;
  float steps_a_unit;
  float zero;

  [[gnu::always_inline]] void run() const noexcept
  {
    const std::size_t dim = units.head_dim;
    const float steps = steps_a_unit;
    const float least = zero;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const auto* const row = from + token * units.token_stride();
      std::uint8_t* const out = to + token * dim;
      for (std::size_t d = 0; d < dim; ++d) {
        out[d] = step_of<From_zero>(element_bits<E>::to_f32(row[d]), least, steps);
      }
    }
  }
};

template <element_type E, class Step>
struct from_steps
{
  const head_units& units;
  const Step* from;
  typename element_bits<E>::bits* to;
  float scale;
  float zero;

  [[gnu::always_inline]] void run() const noexcept
  {
    const std::size_t dim = units.head_dim;
    const float unit = scale;
    const float least = zero;
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const Step* const row = from + token * dim;
      auto* const out = to + token * units.token_stride();
      for (std::size_t d = 0; d < dim; ++d) {
        out[d] = element_bits<E>::from_f32(at_step(row[d], least, unit));
      }
    }
  }
};

}  // namespace detail

}  // namespace kvstrata::codec
