// exp4's arithmetic with AVX2: whole tiles. What the functions do: exp4/portable.hpp. avx512.hpp has the same lines with other types,
// because no template has functions of several targets (docs/dead_ends.md).
#pragma once

#include <kvstrata/codec/exp4/portable.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct exp4_avx2
{
  static constexpr const char* name = "avx2";

  [[gnu::target("avx2")]] static void classify(exp4_unit unit, const exp4_table& table, std::uint32_t from,
                                               std::uint32_t to, const std::byte* raw, std::byte* codes,
                                               exp4_escapes& escapes) noexcept
  {
    if (unit.width == 4) classify_as<4, false>(unit, table, from, to, raw, codes, escapes);
    else if (table.is_run()) classify_as<2, true>(unit, table, from, to, raw, codes, escapes);
    else classify_as<2, false>(unit, table, from, to, raw, codes, escapes);
  }

  [[gnu::target("avx2")]] static void split(exp4_unit unit, std::uint32_t from, std::uint32_t to, const std::byte* raw,
                                            std::byte* code) noexcept
  {
    if (unit.width == 2) split_as<2>(unit, from, to, raw, code);
    else split_as<4>(unit, from, to, raw, code);
  }

  [[nodiscard]] [[gnu::target("avx2")]] static std::uint32_t escapes(exp4_unit unit, std::uint32_t from,
                                                                     std::uint32_t to, const std::byte* codes) noexcept
  {
    const __m256i zero = _mm256_setzero_si256();
    __m256i found = zero;
    for (std::uint32_t g = from; g < to; g += 2) {
      fetch(codes + unit.plane_bytes() + g * 16);
      fetch(codes + 2 * unit.plane_bytes() + g * 16);
      const __m256i both = load(codes + g * 16);
      const __m256i low = _mm256_cmpeq_epi8(_mm256_and_si256(both, _mm256_set1_epi8(0x0F)), zero);
      const __m256i high = _mm256_cmpeq_epi8(_mm256_and_si256(both, _mm256_set1_epi8(static_cast<char>(0xF0))), zero);
      const __m256i here = _mm256_sub_epi8(zero, _mm256_add_epi8(low, high));
      found = _mm256_add_epi64(found, _mm256_sad_epu8(here, zero));
    }
    alignas(32) std::uint64_t parts[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts), found);
    return static_cast<std::uint32_t>(parts[0] + parts[1] + parts[2] + parts[3]);
  }

  [[gnu::target("avx2")]] static void join(exp4_unit unit, const std::byte* exponents, std::uint32_t from,
                                           std::uint32_t to, const std::byte* code, std::byte* raw) noexcept
  {
    if (unit.width == 2) join_as<2>(unit, exponents, from, to, code, raw);
    else join_as<4>(unit, exponents, from, to, code, raw);
  }

 private:
  template <std::uint32_t Width, bool IsRun>
  [[gnu::target("avx2")]] static void classify_as(exp4_unit unit, const exp4_table& table, std::uint32_t from,
                                                  std::uint32_t to, const std::byte* raw, std::byte* codes,
                                                  exp4_escapes& escapes) noexcept
  {
    for (std::uint32_t g = from; g < to; g += 2) {
      const __m256i low = codes_of<IsRun>(table, top<Width>(unit, g, 0, raw), top<Width>(unit, g, 1, raw));
      const __m256i high = codes_of<IsRun>(table, top<Width>(unit, g, 2, raw), top<Width>(unit, g, 3, raw));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + g * 16), _mm256_or_si256(low, _mm256_slli_epi16(high, 4)));
      const __m256i least = _mm256_min_epu8(low, high);
      const __m256i zero = _mm256_setzero_si256();
      if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(least, zero)) == 0) continue;
      const auto of_low = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, zero)));
      const auto of_high = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, zero)));
      escapes.add(g, (of_low & 0xFFFF) | of_high << 16);
      escapes.add(g + 1, of_low >> 16 | (of_high & 0xFFFF0000));
      if (escapes.overflow()) return;
    }
  }

  template <std::uint32_t Width>
  [[gnu::target("avx2")]] static void split_as(exp4_unit unit, std::uint32_t from, std::uint32_t to,
                                               const std::byte* raw, std::byte* code) noexcept
  {
    for (std::uint32_t g = from; g < to; g += 2) {
      for (std::uint32_t i = 0; i < 2 * Width; ++i) fetch(raw + unit.raw_bytes() + unit.word_at(g, i));
      store(code + unit.plane_at(1, g), rest_of(top<Width>(unit, g, 0, raw), top<Width>(unit, g, 1, raw)));
      store(code + unit.plane_at(2, g), rest_of(top<Width>(unit, g, 2, raw), top<Width>(unit, g, 3, raw)));
      if constexpr (Width == 4) {
        for (std::uint32_t i = 0; i < 4; ++i) {
          const __m256i lower = _mm256_set1_epi32(0xFFFF);
          const __m256i a = _mm256_and_si256(load(raw + unit.word_at(g, 2 * i)), lower);
          const __m256i b = _mm256_and_si256(load(raw + unit.word_at(g, 2 * i + 1)), lower);
          store(code + unit.plane_at(3 + i, g), _mm256_packus_epi32(a, b));
        }
      }
    }
  }

  template <std::uint32_t Width>
  [[gnu::target("avx2")]] static void join_as(exp4_unit unit, const std::byte* exponents, std::uint32_t from,
                                              std::uint32_t to, const std::byte* code, std::byte* raw) noexcept
  {
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(exponents)));
    const __m256i half = _mm256_set1_epi8(0x0F);
    for (std::uint32_t g = from; g < to; g += 2) {
      fetch(code + unit.code_bytes() + unit.plane_at(0, g));
      const __m256i both = load(code + unit.plane_at(0, g));
      const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(both, half));
      const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(both, 4), half));
      join_two<Width>(unit, g, 0, low, load(code + unit.plane_at(1, g)), code, raw);
      join_two<Width>(unit, g, 2, high, load(code + unit.plane_at(2, g)), code, raw);
    }
  }

  /// A hint: this line of memory is wanted soon. The order of words is not one that a CPU foresees, and while one pass over
  /// a unit computes, memory has time for what the next one, or the next unit, begins with. Any address may be told.
  static void fetch(const std::byte* at) noexcept { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }

  [[gnu::always_inline, gnu::target("avx2")]] static inline __m256i load(const std::byte* at) noexcept
  {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  [[gnu::always_inline, gnu::target("avx2")]] static inline void store(std::byte* at, __m256i value) noexcept
  {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
  }

  /// 16 values of two groups as bf16, eight of each.
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx2")]] static inline __m256i top(exp4_unit unit, std::uint32_t g,
                                                                        std::uint32_t i, const std::byte* raw) noexcept
  {
    if constexpr (Width == 2) return load(raw + unit.word_at(g, i));
    return _mm256_packus_epi32(_mm256_srli_epi32(load(raw + unit.word_at(g, 2 * i)), 16),
                               _mm256_srli_epi32(load(raw + unit.word_at(g, 2 * i + 1)), 16));
  }

  template <bool IsRun>
  [[gnu::always_inline, gnu::target("avx2")]] static inline __m256i codes_of(const exp4_table& table, __m256i a,
                                                                             __m256i b) noexcept
  {
    const __m256i byte = _mm256_set1_epi16(0xFF);
    const __m256i exponents = _mm256_packus_epi16(_mm256_and_si256(_mm256_srli_epi16(a, 7), byte),
                                                  _mm256_and_si256(_mm256_srli_epi16(b, 7), byte));
    if constexpr (IsRun) {
      const __m256i codes = _mm256_sub_epi8(exponents, _mm256_set1_epi8(static_cast<char>(table.exponents[1] - 1)));
      return _mm256_and_si256(codes, _mm256_cmpeq_epi8(_mm256_min_epu8(codes, _mm256_set1_epi8(15)), codes));
    }
    __m256i codes = _mm256_setzero_si256();
    for (std::uint32_t i = 0; i < table.row_count; ++i) {
      const __m256i row =
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table.codes + table.rows[i])));
      // Of this row 0 to 15, else more, which a shuffle answers with 0 when its bit 7 is set.
      const __m256i within = _mm256_xor_si256(exponents, _mm256_set1_epi8(static_cast<char>(table.rows[i])));
      codes = _mm256_or_si256(codes, _mm256_shuffle_epi8(row, _mm256_adds_epu8(within, _mm256_set1_epi8(0x70))));
    }
    return codes;
  }

  [[gnu::always_inline, gnu::target("avx2")]] static inline __m256i rest_of(__m256i a, __m256i b) noexcept
  {
    return _mm256_packus_epi16(rest(a), rest(b));
  }
  [[gnu::always_inline, gnu::target("avx2")]] static inline __m256i rest(__m256i a) noexcept
  {
    return _mm256_or_si256(_mm256_and_si256(a, _mm256_set1_epi16(0x7F)),
                           _mm256_and_si256(_mm256_srli_epi16(a, 8), _mm256_set1_epi16(0x80)));
  }

  /// The values 8 i to 8 i + 15 of two groups.
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx2")]] static inline void join_two(exp4_unit unit, std::uint32_t g,
                                                                          std::uint32_t i, __m256i exponents,
                                                                          __m256i rest, const std::byte* code,
                                                                          std::byte* raw) noexcept
  {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
    const __m256i seven = _mm256_set1_epi8(0x7F);
    const __m256i upper =
        _mm256_or_si256(_mm256_and_si256(rest, sign), _mm256_and_si256(_mm256_srli_epi16(exponents, 1), seven));
    const __m256i lower =
        _mm256_or_si256(_mm256_and_si256(rest, seven), _mm256_and_si256(_mm256_slli_epi16(exponents, 7), sign));
    put<Width>(unit, g, i, _mm256_unpacklo_epi8(lower, upper), code, raw);
    put<Width>(unit, g, i + 1, _mm256_unpackhi_epi8(lower, upper), code, raw);
  }
  template <std::uint32_t Width>
  [[gnu::always_inline, gnu::target("avx2")]] static inline void put(exp4_unit unit, std::uint32_t g, std::uint32_t i,
                                                                     __m256i top, const std::byte* code,
                                                                     std::byte* raw) noexcept
  {
    if constexpr (Width == 2) {
      store(raw + unit.word_at(g, i), top);
      return;
    }
    const __m256i low = load(code + unit.plane_at(3 + i, g));
    store(raw + unit.word_at(g, 2 * i), _mm256_unpacklo_epi16(low, top));
    store(raw + unit.word_at(g, 2 * i + 1), _mm256_unpackhi_epi16(low, top));
  }
};

}  // namespace kvstrata::codec

#endif
