// What a scale is made of: the largest magnitude of a unit, and its largest value.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/values.hpp>

#include <cstddef>
#include <limits>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// As integers, in which elements are in order once the magnitude of negative ones is turned round.
template <element_type E>
struct survey
{
  using traits = element_bits<E>;
  using bits = typename traits::bits;
  using signed_bits = typename traits::signed_bits;

  bits magnitude = 0;
  signed_bits largest = (std::numeric_limits<signed_bits>::min)();

  [[nodiscard]] static constexpr signed_bits ordered(bits b) noexcept
  {
    const auto s = static_cast<signed_bits>(b);
    return static_cast<signed_bits>(s < 0 ? s ^ static_cast<signed_bits>(traits::magnitude) : s);
  }
  constexpr void add(bits b) noexcept
  {
    const auto m = static_cast<bits>(b & traits::magnitude);
    magnitude = m > magnitude ? m : magnitude;
    const signed_bits o = ordered(b);
    largest = o > largest ? o : largest;
  }
  [[nodiscard]] constexpr bool is_finite() const noexcept { return magnitude < traits::infinity; }
  [[nodiscard]] constexpr float largest_magnitude() const noexcept { return traits::to_f32(magnitude); }
  [[nodiscard]] constexpr float largest_value() const noexcept
  {
    return traits::to_f32(static_cast<bits>(ordered(static_cast<bits>(largest))));
  }
};

namespace detail {

template <element_type E>
struct survey_work
{
  const head_units& units;
  const typename element_bits<E>::bits* from;
  survey<E> found{};

  static constexpr std::size_t rows_ahead = 8;

  [[gnu::always_inline]] void run() noexcept
  {
    survey<E> seen = found;  // not behind a pointer: it stays in registers
    for (std::size_t token = 0; token < units.tokens; ++token) {
      const auto* const row = from + token * units.token_stride();
      // Rows of one head lie apart, which a processor does not foresee: it costs a third of the time.
      constexpr std::size_t line = 64 / sizeof(*from);
      if (token + rows_ahead < units.tokens) {
        const auto* const ahead = row + rows_ahead * units.token_stride();
        for (std::size_t d = 0; d < units.head_dim; d += line) __builtin_prefetch(ahead + d);
      }
      for (std::size_t d = 0; d < units.head_dim; ++d) seen.add(row[d]);
    }
    found = seen;
  }
};

}  // namespace detail

template <element_type E>
[[nodiscard]] survey<E> survey_of(const head_units& units, const typename element_bits<E>::bits* from) noexcept
{
  detail::survey_work<E> work{units, from};
  detail::by_processor(work);
  return work.found;
}

}  // namespace kvstrata::codec
