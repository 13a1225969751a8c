// Bytes that tell a seed and a place.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace kvstrata_test {

inline void write_pattern(std::byte* data, std::size_t bytes, unsigned seed)
{
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>((i * 31 + i / 251 + seed * 97) & 0xFF);
}
[[nodiscard]] inline bool has_pattern(const std::byte* data, std::size_t bytes, unsigned seed)
{
  std::vector<std::byte> expected(bytes);
  write_pattern(expected.data(), bytes, seed);
  return std::memcmp(data, expected.data(), bytes) == 0;
}

}  // namespace kvstrata_test
