// Which slot of a cluster a key belongs to: CRC16 of its hash tag, or of all of it, as the Redis Cluster specification says.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

inline constexpr std::uint32_t slot_count = 16384;

namespace slot_detail {

/// XMODEM: polynomial 0x1021, start 0, not reflected.
[[nodiscard]] constexpr std::array<std::uint16_t, 256> crc16_table() noexcept
{
  std::array<std::uint16_t, 256> out{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t x = i << 8U;
    for (int bit = 0; bit < 8; ++bit) x = (x & 0x8000U) != 0 ? (x << 1U) ^ 0x1021U : x << 1U;
    out[i] = static_cast<std::uint16_t>(x);
  }
  return out;
}
inline constexpr std::array<std::uint16_t, 256> table = crc16_table();

}  // namespace slot_detail

[[nodiscard]] constexpr std::uint16_t crc16(std::string_view bytes) noexcept
{
  std::uint32_t x = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(c));
    x = ((x << 8U) & 0xffffU) ^ slot_detail::table[((x >> 8U) ^ byte) & 0xffU];
  }
  return static_cast<std::uint16_t>(x);
}

/// What of a key decides: what stands between its first '{' and the first '}' behind that, if anything does; else all of it.
[[nodiscard]] constexpr std::string_view hash_tag(std::string_view key) noexcept
{
  const std::size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const std::size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

[[nodiscard]] constexpr std::uint32_t slot_of(std::string_view key) noexcept
{
  return crc16(hash_tag(key)) % slot_count;
}

}  // namespace kvstrata::redis
