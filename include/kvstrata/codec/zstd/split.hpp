// Values to symbols and mantissas, and back: what exp_zstd does beside its entropy coder. With AVX-512 where the processor
// has it (VBMI2: Ice Lake, Zen 4 and newer), else value by value, some two cycles each.
#pragma once

#include <kvstrata/codec/by_processor.hpp>
#include <kvstrata/codec/zstd/alphabet.hpp>
#include <kvstrata/codec/zstd/split_avx512.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::planes {

/// What split and join read and write beyond the end of symbols and mantissas.
inline constexpr std::size_t slack = 64;

namespace by_value {

/// From value `i` on. Mantissas so far: `found`; returns how many there are.
[[nodiscard]] inline std::size_t split(std::span<const std::uint16_t> values, const alphabet& a, std::uint8_t* symbols,
                                       std::uint8_t* mantissas_out, std::size_t i = 0, std::size_t found = 0) noexcept
{
  for (; i < values.size(); ++i) {
    const std::uint32_t pair = pair_of(values[i]);
    const std::uint8_t mantissa = mantissa_of(values[i]);
    const bool crowded = pair == a.crowded;
    symbols[i] = static_cast<std::uint8_t>(crowded ? a.plain + mantissa : std::uint32_t{a.symbol_of[pair]});
    mantissas_out[found] = mantissa;
    found += crowded ? 0 : 1;
  }
  return found;
}

/// A value of each symbol; where it is plain, its mantissa is to be put in, and 1 << 16 says so.
[[nodiscard]] inline std::array<std::uint32_t, 256> values_of(const alphabet& a) noexcept
{
  std::array<std::uint32_t, 256> out{};
  for (std::uint32_t symbol = 0; symbol < a.size(); ++symbol) {
    out[symbol] =
        symbol < a.plain ? std::uint32_t{a.pair_at[symbol]} << 7U | 1U << 16U : a.crowded << 7U | (symbol - a.plain);
  }
  return out;
}

inline void join(std::span<const std::uint8_t> symbols, const std::uint8_t* mantissas_in, const alphabet& a,
                 std::uint16_t* values, std::size_t i = 0, std::size_t used = 0) noexcept
{
  const std::array<std::uint32_t, 256> table = values_of(a);
  for (; i < symbols.size(); ++i) {
    const std::uint32_t value = table[symbols[i]];
    const std::uint32_t plain = value >> 16U;
    values[i] = static_cast<std::uint16_t>(value | (mantissas_in[used] & (0U - plain)));
    used += plain;
  }
}

}  // namespace by_value

struct found_symbols
{
  std::size_t plain = 0;
  std::uint32_t largest = 0;
};

namespace detail {

struct look_work
{
  std::span<const std::uint8_t> symbols;
  std::uint32_t plain;
  found_symbols found{};

  /// In bytes, as long as these can count.
  [[gnu::always_inline]] void run() noexcept
  {
    constexpr std::size_t lanes = 64;
    constexpr std::size_t turns = 255;
    const auto last_plain = static_cast<std::uint8_t>(plain - 1);
    const bool any_plain = plain != 0;
    const std::uint8_t* at = symbols.data();
    std::size_t left = symbols.size();
    std::array<std::uint8_t, lanes> largest{};
    while (left >= lanes) {
      std::array<std::uint8_t, lanes> count{};
      for (std::size_t turn = 0; turn < turns && left >= lanes; ++turn, at += lanes, left -= lanes) {
        for (std::size_t k = 0; k < lanes; ++k) {
          count[k] = static_cast<std::uint8_t>(count[k] + (at[k] <= last_plain ? 1 : 0));
          largest[k] = at[k] > largest[k] ? at[k] : largest[k];
        }
      }
      for (const std::uint8_t c : count) found.plain += c;
    }
    for (; left != 0; ++at, --left) {
      found.plain += *at <= last_plain ? 1 : 0;
      largest[0] = *at > largest[0] ? *at : largest[0];
    }
    for (const std::uint8_t l : largest) found.largest = l > found.largest ? l : found.largest;
    if (!any_plain) found.plain = 0;
  }
};

}  // namespace detail

/// The largest symbol, and how many are below `plain`, which is at most 256.
[[nodiscard]] inline found_symbols look_at(std::span<const std::uint8_t> symbols, std::uint32_t plain) noexcept
{
  detail::look_work work{symbols, plain};
  codec::detail::by_processor(work);
  return work.found;
}

/// Symbols of all values, mantissas of those whose symbol is plain; returns how many. `symbols` and `mantissas_out` have
/// room for all values and for `slack` more. The alphabet must have every pair there is.
[[nodiscard]] inline std::size_t split(std::span<const std::uint16_t> values, const alphabet& a, std::uint8_t* symbols,
                                       std::uint8_t* mantissas_out) noexcept
{
#if defined(__x86_64__)
  if (avx512::can_split(a)) {
    const avx512::progress p = avx512::split(values, a, symbols, mantissas_out);
    return by_value::split(values, a, symbols, mantissas_out, p.values, p.mantissas);
  }
#endif
  return by_value::split(values, a, symbols, mantissas_out);
}

/// The reverse. Every symbol must be one of the alphabet, and there must be a mantissa for every plain one, and `slack`
/// bytes of any content behind them.
inline void join(std::span<const std::uint8_t> symbols, const std::uint8_t* mantissas_in, const alphabet& a,
                 std::uint16_t* values) noexcept
{
#if defined(__x86_64__)
  if (avx512::can_join(a)) {
    const avx512::progress p = avx512::join(symbols, mantissas_in, a, values);
    by_value::join(symbols, mantissas_in, a, values, p.values, p.mantissas);
    return;
  }
#endif
  by_value::join(symbols, mantissas_in, a, values);
}

}  // namespace kvstrata::codec::planes
