// CRC-32C (Castagnoli), by which stores know their bytes again: with the processor's own instruction where it has
// one, at the speed of memory, else with tables.
#pragma once

#include <kvstrata/tiers/stores/format/crc32c_tables.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// What the checksums of stores start with, so that none of no bytes is 0, as never written space is. (RFC 3720 starts
/// with 0 in these terms: its register begins with ones and is inverted at the end, as ours.)
inline constexpr std::uint32_t crc_start = 0x6b767374U;

namespace crc_detail {

[[nodiscard]] inline std::uint64_t word_at(const std::byte* at) noexcept  // little-endian
{
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    std::uint64_t turned = 0;
    for (int i = 0; i != 8; ++i, word >>= 8U) turned = turned << 8U | (word & 0xffU);
    word = turned;
  }
  return word;
}

/// The state of the register after these bytes, with tables.
[[nodiscard]] inline std::uint32_t by_tables(std::uint32_t state, const std::byte* at, std::size_t bytes) noexcept
{
  const auto& table = slice_tables;
  for (; bytes >= 8; at += 8, bytes -= 8) {
    const std::uint64_t word = word_at(at) ^ state;
    state = table[7][word & 0xffU] ^ table[6][word >> 8U & 0xffU] ^ table[5][word >> 16U & 0xffU] ^
            table[4][word >> 24U & 0xffU] ^ table[3][word >> 32U & 0xffU] ^ table[2][word >> 40U & 0xffU] ^
            table[1][word >> 48U & 0xffU] ^ table[0][word >> 56U];
  }
  for (; bytes != 0; ++at, --bytes) {
    state = (state >> 8U) ^ table[0][(state ^ std::to_integer<std::uint32_t>(*at)) & 0xffU];
  }
  return state;
}

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__ARM_FEATURE_CRC32))

#if defined(__x86_64__)
[[nodiscard]] inline bool processor_can() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }

[[gnu::target("sse4.2")]] [[nodiscard]] inline std::uint64_t step(std::uint64_t state, std::uint64_t word) noexcept
{
  return __builtin_ia32_crc32di(state, word);
}
[[gnu::target("sse4.2")]] [[nodiscard]] inline std::uint64_t step_byte(std::uint64_t state, std::byte byte) noexcept
{
  return __builtin_ia32_crc32qi(static_cast<std::uint32_t>(state), std::to_integer<std::uint8_t>(byte));
}
#else
[[nodiscard]] inline bool processor_can() noexcept { return true; }

[[nodiscard]] inline std::uint64_t step(std::uint64_t state, std::uint64_t word) noexcept
{
#ifdef __clang__  // <arm_acle.h> would name both alike, but where all foreign headers are included, it is refused
  return __builtin_arm_crc32cd(static_cast<std::uint32_t>(state), word);
#else
  return __builtin_aarch64_crc32cx(static_cast<std::uint32_t>(state), word);
#endif
}
[[nodiscard]] inline std::uint64_t step_byte(std::uint64_t state, std::byte byte) noexcept
{
#ifdef __clang__
  return __builtin_arm_crc32cb(static_cast<std::uint32_t>(state), std::to_integer<std::uint8_t>(byte));
#else
  return __builtin_aarch64_crc32cb(static_cast<std::uint32_t>(state), std::to_integer<std::uint8_t>(byte));
#endif
}
#endif

/// As many times three runs as there are. Moves `at` and `bytes` on.
#if defined(__x86_64__)
[[gnu::target("sse4.2")]]
#endif
[[nodiscard]] inline std::uint64_t
by_three(std::uint64_t state, const std::byte*& at, std::size_t& bytes, std::size_t run,
         const std::array<byte_table, 4>& zeros_of_run) noexcept
{
  for (; bytes >= 3 * run; bytes -= 3 * run) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    // What comes next but one: by itself a processor reads ahead of one row of bytes, less so of three.
    const std::size_t ahead = bytes >= 9 * run ? 6 * run : 0;
    for (const std::byte* const end = at + run; at != end;) {
      __builtin_prefetch(at + ahead);
      __builtin_prefetch(at + ahead + run);
      __builtin_prefetch(at + ahead + 2 * run);
      for (const std::byte* const line = at + 64; at != line; at += 8) {
        state = step(state, word_at(at));
        second = step(second, word_at(at + run));
        third = step(third, word_at(at + 2 * run));
      }
    }
    state = shifted(zeros_of_run, static_cast<std::uint32_t>(state)) ^ second;
    state = shifted(zeros_of_run, static_cast<std::uint32_t>(state)) ^ third;
    at += 2 * run;
  }
  return state;
}

/// The state of the register after these bytes, with the processor's instruction, which it must have.
#if defined(__x86_64__)
[[gnu::target("sse4.2")]]
#endif
[[nodiscard]] inline std::uint32_t
by_processor(std::uint32_t begin, const std::byte* at, std::size_t bytes) noexcept
{
  std::uint64_t state = by_three(begin, at, bytes, long_run, long_zeros);
  state = by_three(state, at, bytes, short_run, short_zeros);
  for (; bytes >= 8; at += 8, bytes -= 8) state = step(state, word_at(at));
  for (; bytes != 0; ++at, --bytes) state = step_byte(state, *at);
  return static_cast<std::uint32_t>(state);
}

#else

[[nodiscard]] inline bool processor_can() noexcept { return false; }

[[nodiscard]] inline std::uint32_t by_processor(std::uint32_t begin, const std::byte* at, std::size_t bytes) noexcept
{
  return by_tables(begin, at, bytes);
}

#endif

}  // namespace crc_detail

/// Of `bytes`, after those that `before` is the checksum of: crc32c(b, crc32c(a)) is that of a and b as one. O(bytes).
[[nodiscard]] inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = crc_start) noexcept
{
  const std::uint32_t state = ~before;
  return ~(crc_detail::processor_can() ? crc_detail::by_processor(state, bytes.data(), bytes.size())
                                       : crc_detail::by_tables(state, bytes.data(), bytes.size()));
}

}  // namespace kvstrata::stores
