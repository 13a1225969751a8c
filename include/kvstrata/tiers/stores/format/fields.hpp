// Numbers at fixed places of bytes that a store keeps: little-endian, whatever the machine is.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// Where a number lies, in bytes from the begin of what it is part of.
template <std::unsigned_integral T>
struct field
{
  std::size_t at = 0;

  [[nodiscard]] constexpr std::size_t end() const noexcept { return at + sizeof(T); }
};

using field8 = field<std::uint8_t>;
using field16 = field<std::uint16_t>;
using field32 = field<std::uint32_t>;
using field64 = field<std::uint64_t>;

/// Do they lie in [begin, end), in this order, and apart?
template <class... Fields>
[[nodiscard]] consteval bool apart(std::size_t begin, std::size_t end, Fields... fields) noexcept
{
  bool good = true;
  ((good = good && fields.at >= begin, begin = fields.end()), ...);
  return good && begin <= end;
}

template <std::unsigned_integral T>
constexpr void store(std::byte* to, field<T> where, T value) noexcept
{
  for (std::size_t i = 0; i != sizeof(T); ++i) {
    to[where.at + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr T load(const std::byte* from, field<T> where) noexcept
{
  std::uint64_t value = 0;
  for (std::size_t i = 0; i != sizeof(T); ++i) {
    value |= std::to_integer<std::uint64_t>(from[where.at + i]) << (8 * i);
  }
  return static_cast<T>(value);
}

}  // namespace kvstrata::stores
