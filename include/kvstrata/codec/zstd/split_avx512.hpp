// split, join and numbers of seven bits with AVX-512 (BW, VBMI, VBMI2), 64 values at a time; the rest is left to the
// caller.
#pragma once

#include <kvstrata/codec/zstd/alphabet.hpp>

#if defined(__x86_64__)

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <immintrin.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::planes::avx512 {

struct progress
{
  std::size_t values = 0;
  std::size_t mantissas = 0;
};

[[nodiscard]] inline bool processor_can() noexcept
{
  static const bool can = __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                          __builtin_cpu_supports("avx512vbmi") != 0 && __builtin_cpu_supports("avx512vbmi2") != 0;
  return can;
}

inline constexpr std::size_t table_size = 128;  ///< what one look-up by bytes reaches
using byte_table = std::array<std::uint8_t, table_size>;

/// Exponents that lie close enough to each other: 64 of them are nearly all that values ever have.
struct exponents
{
  std::uint32_t first = 255;
  std::uint32_t last = 0;
};
[[nodiscard]] inline exponents exponents_of(const alphabet& a) noexcept
{
  exponents e;
  const auto see = [&](std::uint32_t exponent) {
    if (exponent < e.first) e.first = exponent;
    if (exponent > e.last) e.last = exponent;
  };
  if (a.plain != 0) {  // their order is by exponent
    see(a.pair_at[0] & 255U);
    see(a.pair_at[a.plain - 1] & 255U);
  }
  if (a.is_crowded()) see(a.crowded & 255U);
  return e;
}

[[nodiscard]] inline bool can_split(const alphabet& a) noexcept
{
  const exponents e = exponents_of(a);
  return processor_can() && e.first <= e.last && e.last - e.first < table_size / 2;
}
[[nodiscard]] inline bool can_join(const alphabet& a) noexcept { return processor_can() && a.plain <= table_size; }

// The forms without a mask read a value of g++ 12's that has none, of which it warns.
inline constexpr __mmask8 every8 = 0xff;
inline constexpr __mmask32 every32 = 0xffff'ffff;
inline constexpr __mmask64 every64 = ~__mmask64{0};

/// The lower bytes of 64 values.
[[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]] [[nodiscard]] inline __m512i halves(
    __m512i first, __m512i second) noexcept
{
  return _mm512_maskz_inserti64x4(every8, _mm512_castsi256_si512(_mm512_maskz_cvtepi16_epi8(every32, first)),
                                  _mm512_maskz_cvtepi16_epi8(every32, second), 1);
}

[[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]] [[nodiscard]] inline progress split(
    std::span<const std::uint16_t> values, const alphabet& a, std::uint8_t* symbols, std::uint8_t* mantissas) noexcept
{
  const exponents e = exponents_of(a);
  byte_table table{};  // by 2 * (exponent - first) + sign
  for (std::uint32_t symbol = 0; symbol < a.plain; ++symbol) {
    const std::uint32_t pair = a.pair_at[symbol];
    table[2 * ((pair & 255U) - e.first) + (pair >> 8U)] = static_cast<std::uint8_t>(symbol);
  }
  const std::uint32_t crowded_at = a.is_crowded() ? 2 * ((a.crowded & 255U) - e.first) + (a.crowded >> 8U) : 255;

  const __m512i low_table = _mm512_loadu_si512(table.data());
  const __m512i high_table = _mm512_loadu_si512(table.data() + 64);
  const __m512i first = _mm512_set1_epi16(static_cast<short>(e.first));
  const __m512i seven = _mm512_set1_epi8(127);
  const __m512i crowded = _mm512_set1_epi8(static_cast<char>(crowded_at));
  const __m512i behind = _mm512_set1_epi8(static_cast<char>(a.plain));
  progress done;
  for (; done.values + 64 <= values.size(); done.values += 64) {
    const __m512i v0 = _mm512_loadu_si512(values.data() + done.values);
    const __m512i v1 = _mm512_loadu_si512(values.data() + done.values + 32);
    const __m512i sign0 = _mm512_srli_epi16(v0, 15);
    const __m512i sign1 = _mm512_srli_epi16(v1, 15);
    const __m512i exponent0 = _mm512_srli_epi16(_mm512_slli_epi16(v0, 1), 8);
    const __m512i exponent1 = _mm512_srli_epi16(_mm512_slli_epi16(v1, 1), 8);
    const __m512i at0 = _mm512_or_si512(_mm512_slli_epi16(_mm512_sub_epi16(exponent0, first), 1), sign0);
    const __m512i at1 = _mm512_or_si512(_mm512_slli_epi16(_mm512_sub_epi16(exponent1, first), 1), sign1);
    const __m512i at = halves(at0, at1);
    const __m512i mantissa = _mm512_and_si512(halves(v0, v1), seven);
    const __mmask64 is_crowded = _mm512_cmpeq_epi8_mask(at, crowded);
    const __m512i plain = _mm512_permutex2var_epi8(low_table, at, high_table);
    const __m512i symbol = _mm512_mask_add_epi8(plain, is_crowded, behind, mantissa);
    _mm512_storeu_si512(symbols + done.values, symbol);
    _mm512_storeu_si512(mantissas + done.mantissas, _mm512_maskz_compress_epi8(~is_crowded, mantissa));
    done.mantissas += static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(~is_crowded)));
  }
  return done;
}

[[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]] [[nodiscard]] inline progress join(
    std::span<const std::uint8_t> symbols, const std::uint8_t* mantissas, const alphabet& a,
    std::uint16_t* values) noexcept
{
  byte_table low{};  // of a value, without its mantissa, by plain symbol
  byte_table high{};
  for (std::uint32_t symbol = 0; symbol < a.plain; ++symbol) {
    const std::uint32_t value = std::uint32_t{a.pair_at[symbol]} << 7U;
    low[symbol] = static_cast<std::uint8_t>(value);
    high[symbol] = static_cast<std::uint8_t>(value >> 8U);
  }
  const std::uint32_t crowded = a.is_crowded() ? a.crowded << 7U : 0;
  const __m512i low0 = _mm512_loadu_si512(low.data());
  const __m512i low1 = _mm512_loadu_si512(low.data() + 64);
  const __m512i high0 = _mm512_loadu_si512(high.data());
  const __m512i high1 = _mm512_loadu_si512(high.data() + 64);
  const __m512i crowded_low = _mm512_set1_epi8(static_cast<char>(crowded));
  const __m512i crowded_high = _mm512_set1_epi8(static_cast<char>(crowded >> 8U));
  const __m512i behind = _mm512_set1_epi8(static_cast<char>(a.plain));
  const __m512i first_half = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second_half = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  progress done;
  for (; done.values + 64 <= symbols.size(); done.values += 64) {
    const __m512i symbol = _mm512_loadu_si512(symbols.data() + done.values);
    const __mmask64 is_crowded = a.is_crowded() ? _mm512_cmpge_epu8_mask(symbol, behind) : __mmask64{0};
    const __m512i packed = _mm512_loadu_si512(mantissas + done.mantissas);
    const __m512i mantissa =
        _mm512_mask_sub_epi8(_mm512_maskz_expand_epi8(~is_crowded, packed), is_crowded, symbol, behind);
    const __m512i lower = _mm512_or_si512(
        _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(low0, symbol, low1), is_crowded, crowded_low), mantissa);
    const __m512i upper =
        _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(high0, symbol, high1), is_crowded, crowded_high);
    const __m512i even = _mm512_unpacklo_epi8(lower, upper);
    const __m512i odd = _mm512_unpackhi_epi8(lower, upper);
    _mm512_storeu_si512(values + done.values, _mm512_permutex2var_epi64(even, first_half, odd));
    _mm512_storeu_si512(values + done.values + 32, _mm512_permutex2var_epi64(even, second_half, odd));
    done.mantissas += static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(~is_crowded)));
  }
  return done;
}

/// Whole 64s of `count` numbers; returns how many. Writes up to 8 bytes beyond their end: another 64 must follow.
[[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]] [[nodiscard]] inline std::size_t pack_sevens(
    const std::uint8_t* from, std::size_t count, std::byte* to) noexcept
{
  std::array<std::uint8_t, 64> seven_of_eight{};
  for (std::size_t i = 0; i < 56; ++i) seven_of_eight[i] = static_cast<std::uint8_t>(i / 7 * 8 + i % 7);
  const __m512i order = _mm512_loadu_si512(seven_of_eight.data());
  const __m512i bytes = _mm512_set1_epi16(static_cast<short>(0x8001U));     // the even one, and 2^7 of the odd one
  const __m512i words = _mm512_set1_epi32(static_cast<int>(0x4000'0001U));  // likewise 2^14
  const __m512i low_half = _mm512_set1_epi64(0xffff'ffffLL);
  std::size_t done = 0;
  for (; done + 128 <= count; done += 64, to += 56) {
    const __m512i fourteen = _mm512_maddubs_epi16(bytes, _mm512_loadu_si512(from + done));
    const __m512i twenty_eight = _mm512_madd_epi16(fourteen, words);
    const __m512i upper = _mm512_maskz_slli_epi64(every8, _mm512_maskz_srli_epi64(every8, twenty_eight, 32), 28);
    const __m512i fifty_six = _mm512_or_si512(_mm512_and_si512(twenty_eight, low_half), upper);
    _mm512_storeu_si512(to, _mm512_maskz_permutexvar_epi8(every64, order, fifty_six));
  }
  return done;
}

/// Whole 64s of `count` numbers; returns how many. Reads up to 8 bytes beyond theirs: another 64 must follow.
[[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]] [[nodiscard]] inline std::size_t unpack_sevens(
    const std::byte* from, std::size_t count, std::uint8_t* to) noexcept
{
  std::array<std::uint8_t, 64> eight_of_seven{};
  for (std::size_t i = 0; i < 64; ++i) eight_of_seven[i] = static_cast<std::uint8_t>(i / 8 * 7 + i % 8);
  const __m512i order = _mm512_loadu_si512(eight_of_seven.data());
  const __m512i shifts = _mm512_set1_epi64(0x312a'231c'150e'0700LL);  // 0, 7, 14, ... bits
  const __m512i seven = _mm512_set1_epi8(127);
  std::size_t done = 0;
  for (; done + 128 <= count; done += 64, from += 56) {
    const __m512i spread = _mm512_maskz_permutexvar_epi8(every64, order, _mm512_loadu_si512(from));
    _mm512_storeu_si512(to + done,
                        _mm512_and_si512(_mm512_maskz_multishift_epi64_epi8(every64, shifts, spread), seven));
  }
  return done;
}

}  // namespace kvstrata::codec::planes::avx512

#endif
