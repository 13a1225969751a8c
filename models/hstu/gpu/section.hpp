// Arrays of a pass laid one behind the other into one stretch of memory.
#pragma once

#include <cstddef>
#include <span>

namespace hstu::gpu {

/// Where an array lies in the stretch.
template <class T>
struct section
{
  std::size_t offset = 0;
  std::size_t count = 0;

  [[nodiscard]] std::span<T> in(std::byte* base) const { return {reinterpret_cast<T*>(base + offset), count}; }
  [[nodiscard]] const T* at(const std::byte* base) const { return reinterpret_cast<const T*>(base + offset); }
};

/// Lays sections, each of which begins on 256 bytes.
struct sections
{
  std::size_t bytes = 0;  ///< of all

  template <class T>
  void add(section<T>& to, std::size_t count)
  {
    to = {bytes, count};
    bytes += (count * sizeof(T) + 255) / 256 * 256;
  }
};

}  // namespace hstu::gpu
