// exp4's arithmetic with AVX-512 (F and BW): whole tiles. What the functions do: exp4/portable.hpp.
#pragma once

#include <kvstrata/codec/exp4/portable.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct exp4_avx512
{
  static constexpr const char* name = "avx512";

  [[gnu::target("avx512bw")]] static void classify(exp4_unit unit, const exp4_table& table, std::uint32_t from,
                                                   std::uint32_t to, const std::byte* raw, std::byte* codes,
                                                   exp4_escapes& escapes) noexcept
  {
    if (unit.width == 4) classify_as<4, false>(unit, table, from, to, raw, codes, escapes);
    else if (table.is_run()) classify_as<2, true>(unit, table, from, to, raw, codes, escapes);
    else classify_as<2, false>(unit, table, from, to, raw, codes, escapes);
  }

  [[gnu::target("avx512bw")]] static void split(exp4_unit unit, std::uint32_t from, std::uint32_t to,
                                                const std::byte* raw, std::byte* code) noexcept
  {
    if (unit.width == 2) split_as<2>(unit, from, to, raw, code);
    else split_as<4>(unit, from, to, raw, code);
  }

  [[nodiscard]] [[gnu::target("avx512bw,popcnt")]] static std::uint32_t escapes(exp4_unit unit, std::uint32_t from,
                                                                                std::uint32_t to,
                                                                                const std::byte* codes) noexcept
  {
    long long found = 0;
    for (std::uint32_t g = from; g < to; g += 4) {
      fetch(codes + unit.plane_bytes() + g * 16);
      fetch(codes + 2 * unit.plane_bytes() + g * 16);
      const __m512i both = load(codes + g * 16);
      const std::uint64_t low = _mm512_testn_epi8_mask(both, _mm512_set1_epi8(0x0F));
      const std::uint64_t high = _mm512_testn_epi8_mask(both, _mm512_set1_epi8(static_cast<char>(0xF0)));
      found += _mm_popcnt_u64(low) + _mm_popcnt_u64(high);
    }
    return static_cast<std::uint32_t>(found);
  }

  [[gnu::target("avx512bw")]] static void join(exp4_unit unit, const std::byte* exponents, std::uint32_t from,
                                               std::uint32_t to, const std::byte* code, std::byte* raw) noexcept
  {
    if (unit.width == 2) join_as<2>(unit, exponents, from, to, code, raw);
    else join_as<4>(unit, exponents, from, to, code, raw);
  }

 private:
  template <std::uint32_t Width, bool IsRun>
  [[gnu::target("avx512bw")]] static void classify_as(exp4_unit unit, const exp4_table& table, std::uint32_t from,
                                                      std::uint32_t to, const std::byte* raw, std::byte* codes,
                                                      exp4_escapes& escapes) noexcept
  {
    for (std::uint32_t g = from; g < to; g += 4) {
      const __m512i low = codes_of<IsRun>(table, top<Width>(unit, g, 0, raw), top<Width>(unit, g, 1, raw));
      const __m512i high = codes_of<IsRun>(table, top<Width>(unit, g, 2, raw), top<Width>(unit, g, 3, raw));
      _mm512_storeu_si512(codes + g * 16, _mm512_or_si512(low, _mm512_slli_epi16(high, 4)));
      const std::uint64_t of_low = _mm512_testn_epi8_mask(low, low);
      const std::uint64_t of_high = _mm512_testn_epi8_mask(high, high);
      if ((of_low | of_high) == 0) continue;
      for (std::uint32_t i = 0; i < 4; ++i) {
        escapes.add(g + i, static_cast<std::uint32_t>(of_low >> 16 * i & 0xFFFF) |
                               static_cast<std::uint32_t>(of_high >> 16 * i & 0xFFFF) << 16);
      }
      if (escapes.overflow()) return;
    }
  }

  template <std::uint32_t Width>
  [[gnu::target("avx512bw")]] static void split_as(exp4_unit unit, std::uint32_t from, std::uint32_t to,
                                                   const std::byte* raw, std::byte* code) noexcept
  {
    for (std::uint32_t g = from; g < to; g += 4) {
      for (std::uint32_t i = 0; i < 2 * Width; ++i) fetch(raw + unit.raw_bytes() + unit.word_at(g, i));
      store(code + unit.plane_at(1, g), rest_of(top<Width>(unit, g, 0, raw), top<Width>(unit, g, 1, raw)));
      store(code + unit.plane_at(2, g), rest_of(top<Width>(unit, g, 2, raw), top<Width>(unit, g, 3, raw)));
      if constexpr (Width == 4) {
        for (std::uint32_t i = 0; i < 4; ++i) {
          const __m512i lower = _mm512_set1_epi32(0xFFFF);
          const __m512i a = _mm512_and_si512(load(raw + unit.word_at(g, 2 * i)), lower);
          const __m512i b = _mm512_and_si512(load(raw + unit.word_at(g, 2 * i + 1)), lower);
          store(code + unit.plane_at(3 + i, g), _mm512_packus_epi32(a, b));
        }
      }
    }
  }

  template <std::uint32_t Width>
  [[gnu::target("avx512bw")]] static void join_as(exp4_unit unit, const std::byte* exponents, std::uint32_t from,
                                                  std::uint32_t to, const std::byte* code, std::byte* raw) noexcept
  {
    const __m512i table = in_all_lanes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(exponents)));
    const __m512i half = _mm512_set1_epi8(0x0F);
    for (std::uint32_t g = from; g < to; g += 4) {
      fetch(code + unit.code_bytes() + unit.plane_at(0, g));
      const __m512i both = load(code + unit.plane_at(0, g));
      const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(both, half));
      const __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(both, 4), half));
      join_two<Width>(unit, g, 0, low, load(code + unit.plane_at(1, g)), code, raw);
      join_two<Width>(unit, g, 2, high, load(code + unit.plane_at(2, g)), code, raw);
    }
  }

  // Operators in place of two intrinsics whose unused operand g++ 12 calls uninitialised.
  using words = std::uint32_t __attribute__((vector_size(64)));
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i upper(__m512i a) noexcept
  {
    return reinterpret_cast<__m512i>(reinterpret_cast<words>(a) >> 16);
  }
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i in_all_lanes(__m128i a) noexcept
  {
    return _mm512_maskz_broadcast_i32x4(0xFFFF, a);
  }

  /// A hint: this line of memory is wanted soon. The order of words is not one that a CPU foresees, and while one pass over
  /// a unit computes, memory has time for what the next one, or the next unit, begins with. Any address may be told.
  static void fetch(const std::byte* at) noexcept { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }

  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i load(const std::byte* at) noexcept
  {
    return _mm512_loadu_si512(at);
  }
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline void store(std::byte* at, __m512i value) noexcept
  {
    _mm512_storeu_si512(at, value);
  }

  /// 32 values of four groups as bf16, eight of each.
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i top(exp4_unit unit, std::uint32_t g,
                                                                            std::uint32_t i,
                                                                            const std::byte* raw) noexcept
  {
    if constexpr (Width == 2) return load(raw + unit.word_at(g, i));
    return _mm512_packus_epi32(upper(load(raw + unit.word_at(g, 2 * i))),
                               upper(load(raw + unit.word_at(g, 2 * i + 1))));
  }

  template <bool IsRun>
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i codes_of(const exp4_table& table, __m512i a,
                                                                                 __m512i b) noexcept
  {
    const __m512i byte = _mm512_set1_epi16(0xFF);
    const __m512i exponents = _mm512_packus_epi16(_mm512_and_si512(_mm512_srli_epi16(a, 7), byte),
                                                  _mm512_and_si512(_mm512_srli_epi16(b, 7), byte));
    if constexpr (IsRun) {
      const __m512i codes = _mm512_sub_epi8(exponents, _mm512_set1_epi8(static_cast<char>(table.exponents[1] - 1)));
      return _mm512_maskz_mov_epi8(_mm512_cmple_epu8_mask(codes, _mm512_set1_epi8(15)), codes);
    }
    __m512i codes = _mm512_setzero_si512();
    for (std::uint32_t i = 0; i < table.row_count; ++i) {
      const __m512i row = in_all_lanes(_mm_load_si128(reinterpret_cast<const __m128i*>(table.codes + table.rows[i])));
      // Of this row 0 to 15, else more, which a shuffle answers with 0 when its bit 7 is set.
      const __m512i within = _mm512_xor_si512(exponents, _mm512_set1_epi8(static_cast<char>(table.rows[i])));
      codes = _mm512_or_si512(codes, _mm512_shuffle_epi8(row, _mm512_adds_epu8(within, _mm512_set1_epi8(0x70))));
    }
    return codes;
  }

  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i rest_of(__m512i a, __m512i b) noexcept
  {
    return _mm512_packus_epi16(rest(a), rest(b));
  }
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline __m512i rest(__m512i a) noexcept
  {
    return _mm512_or_si512(_mm512_and_si512(a, _mm512_set1_epi16(0x7F)),
                           _mm512_and_si512(_mm512_srli_epi16(a, 8), _mm512_set1_epi16(0x80)));
  }

  /// The values 8 i to 8 i + 15 of four groups.
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline void join_two(exp4_unit unit, std::uint32_t g,
                                                                              std::uint32_t i, __m512i exponents,
                                                                              __m512i rest, const std::byte* code,
                                                                              std::byte* raw) noexcept
  {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i seven = _mm512_set1_epi8(0x7F);
    const __m512i upper =
        _mm512_or_si512(_mm512_and_si512(rest, sign), _mm512_and_si512(_mm512_srli_epi16(exponents, 1), seven));
    const __m512i lower =
        _mm512_or_si512(_mm512_and_si512(rest, seven), _mm512_and_si512(_mm512_slli_epi16(exponents, 7), sign));
    put<Width>(unit, g, i, _mm512_unpacklo_epi8(lower, upper), code, raw);
    put<Width>(unit, g, i + 1, _mm512_unpackhi_epi8(lower, upper), code, raw);
  }
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx512bw")]] static inline void put(exp4_unit unit, std::uint32_t g,
                                                                         std::uint32_t i, __m512i top,
                                                                         const std::byte* code, std::byte* raw) noexcept
  {
    if constexpr (Width == 2) {
      store(raw + unit.word_at(g, i), top);
      return;
    }
    const __m512i low = load(code + unit.plane_at(3 + i, g));
    store(raw + unit.word_at(g, 2 * i), _mm512_unpacklo_epi16(low, top));
    store(raw + unit.word_at(g, 2 * i + 1), _mm512_unpackhi_epi16(low, top));
  }
};

}  // namespace kvstrata::codec

#endif
