// The tables of CRC-32C (Castagnoli): eight bytes at a time without the processor's help, and what so many zero bytes
// make of a state, by which the states of neighbours become one.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores::crc_detail {

inline constexpr std::uint32_t polynomial = 0x82f63b78U;  // x^32 + x^28 + ... + 1, its lowest term in the top bit

using byte_table = std::array<std::uint32_t, 256>;

/// Table k: what a byte does to the state k bytes later.
[[nodiscard]] constexpr std::array<byte_table, 8> slices() noexcept
{
  std::array<byte_table, 8> out{};
  for (std::uint32_t n = 0; n != 256; ++n) {
    std::uint32_t state = n;
    for (int bit = 0; bit != 8; ++bit) state = (state >> 1U) ^ ((state & 1U) != 0 ? polynomial : 0U);
    out[0][n] = state;
  }
  for (std::size_t n = 0; n != 256; ++n) {
    for (std::size_t k = 1; k != 8; ++k) out[k][n] = (out[k - 1][n] >> 8U) ^ out[0][out[k - 1][n] & 0xffU];
  }
  return out;
}

inline constexpr std::array<byte_table, 8> slice_tables = slices();

/// What `bytes` zero bytes make of a state: it is linear, so a table for each of its bytes tells.
[[nodiscard]] constexpr std::array<byte_table, 4> zeros(std::size_t bytes) noexcept
{
  std::array<byte_table, 4> out{};
  for (std::size_t bit = 0; bit != 32; ++bit) {
    std::uint32_t state = 1U << bit;
    for (std::size_t i = 0; i != bytes; ++i) state = (state >> 8U) ^ slice_tables[0][state & 0xffU];
    out[bit / 8][std::size_t{1} << bit % 8] = state;
  }
  for (byte_table& table : out) {
    for (std::size_t n = 1; n != 256; ++n) table[n] = table[n & (n - 1)] ^ table[n & (~n + 1)];
  }
  return out;
}

/// After itself.
[[nodiscard]] constexpr std::array<byte_table, 4> twice(const std::array<byte_table, 4>& once) noexcept
{
  std::array<byte_table, 4> out{};
  for (std::size_t byte = 0; byte != 4; ++byte) {
    for (std::size_t n = 0; n != 256; ++n) {
      const std::uint32_t state = once[byte][n];
      out[byte][n] = once[0][state & 0xffU] ^ once[1][(state >> 8U) & 0xffU] ^ once[2][(state >> 16U) & 0xffU] ^
                     once[3][state >> 24U];
    }
  }
  return out;
}

/// Three runs of so many bytes go side by side: the processor begins a step each cycle, and needs three for it.
inline constexpr std::size_t short_run = 256;
inline constexpr std::size_t long_run = 1024;

inline constexpr std::array<byte_table, 4> short_zeros = twice(twice(twice(zeros(short_run / 8))));
inline constexpr std::array<byte_table, 4> long_zeros = twice(twice(short_zeros));

[[nodiscard]] constexpr std::uint32_t shifted(const std::array<byte_table, 4>& by, std::uint32_t state) noexcept
{
  return by[0][state & 0xffU] ^ by[1][(state >> 8U) & 0xffU] ^ by[2][(state >> 16U) & 0xffU] ^ by[3][state >> 24U];
}

}  // namespace kvstrata::stores::crc_detail
