// Numbers of seven bits, eight in seven bytes.
#pragma once

#include <kvstrata/codec/zstd/split_avx512.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::planes {

static_assert(std::endian::native == std::endian::little, "codes are written as such machines have numbers");

/// Bytes of `count` numbers.
[[nodiscard]] constexpr std::size_t packed_sevens(std::size_t count) noexcept { return (count + 7) / 8 * 7; }

namespace by_value {

[[nodiscard]] constexpr std::uint64_t packed(std::uint64_t eight_bytes) noexcept
{
  std::uint64_t x = eight_bytes;
  x = (x & 0x007f'007f'007f'007fU) | (x & 0x7f00'7f00'7f00'7f00U) >> 1U;
  x = (x & 0x0000'3fff'0000'3fffU) | (x & 0x3fff'0000'3fff'0000U) >> 2U;
  return (x & 0x0fff'ffffU) | x >> 32U << 28U;
}

[[nodiscard]] constexpr std::uint64_t unpacked(std::uint64_t seven_bytes) noexcept
{
  std::uint64_t x = seven_bytes;
  x = (x & 0x0fff'ffffU) | (x & 0x00ff'ffff'f000'0000U) << 4U;
  x = (x & 0x0000'3fff'0000'3fffU) | (x & 0x0fff'c000'0fff'c000U) << 2U;
  return (x & 0x007f'007f'007f'007fU) | (x & 0x3f80'3f80'3f80'3f80U) << 1U;
}

// Eight bytes where others follow, which costs one access: of seven, compilers make three.

inline void pack_sevens(const std::uint8_t* from, std::size_t count, std::byte* to, std::size_t i = 0) noexcept
{
  std::uint64_t x = 0;
  for (; i + 8 < count; i += 8) {
    std::memcpy(&x, from + i, 8);
    x = packed(x);
    std::memcpy(to + i / 8 * 7, &x, 8);
  }
  if (i >= count) return;
  std::memcpy(&x, from + i, 8);
  x = packed(x);
  std::memcpy(to + i / 8 * 7, &x, 7);
}

inline void unpack_sevens(const std::byte* from, std::size_t count, std::uint8_t* to, std::size_t i = 0) noexcept
{
  std::uint64_t x = 0;
  for (; i + 8 < count; i += 8) {
    std::memcpy(&x, from + i / 8 * 7, 8);
    x = unpacked(x);
    std::memcpy(to + i, &x, 8);
  }
  if (i >= count) return;
  x = 0;
  std::memcpy(&x, from + i / 8 * 7, 7);
  x = unpacked(x);
  std::memcpy(to + i, &x, 8);
}

}  // namespace by_value

/// `from` is read in whole eights, so up to seven bytes beyond `count`; whatever these hold is written, too.
inline void pack_sevens(const std::uint8_t* from, std::size_t count, std::byte* to) noexcept
{
  std::size_t done = 0;
#if defined(__x86_64__)
  if (avx512::processor_can()) done = avx512::pack_sevens(from, count, to);
#endif
  by_value::pack_sevens(from, count, to, done);
}

/// `to` is written in whole eights.
inline void unpack_sevens(const std::byte* from, std::size_t count, std::uint8_t* to) noexcept
{
  std::size_t done = 0;
#if defined(__x86_64__)
  if (avx512::processor_can()) done = avx512::unpack_sevens(from, count, to);
#endif
  by_value::unpack_sevens(from, count, to, done);
}

}  // namespace kvstrata::codec::planes
