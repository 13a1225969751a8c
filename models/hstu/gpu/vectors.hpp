// 16-byte accesses of kernels: eight bf16 or four floats at once. Addresses are 16-byte aligned.
#pragma once

#include "hstu/gpu/bf16.hpp"
#include "hstu/gpu/function.hpp"

#include <cstdint>

namespace hstu::gpu {

// These may look at memory of any type. With memcpy in their place nvcc would read it byte by byte.

/// Eight bf16 as they lie in memory, in pairs from the lower bits on.
struct alignas(16) [[gnu::may_alias]] bf16x8
{
  std::uint32_t pairs[4];
};

struct alignas(16) [[gnu::may_alias]] floatx4
{
  float values[4];
};

struct alignas(4) [[gnu::may_alias]] bf16x2
{
  std::uint32_t pair;
};

struct alignas(8) [[gnu::may_alias]] floatx2
{
  float values[2];
};

/// Elements that kernels take at once. Rows are whole numbers of them.
inline constexpr std::uint32_t vector_width = 8;

template <class Vector>
[[nodiscard]] HSTU_FUNCTION inline Vector load_vector(const void* from) noexcept
{
  return *static_cast<const Vector*>(from);
}

template <class Vector>
HSTU_FUNCTION inline void store_vector(void* to, const Vector& value) noexcept
{
  *static_cast<Vector*>(to) = value;
}

/// Element `i` of a vector, as a float.
[[nodiscard]] HSTU_FUNCTION inline float element(const bf16x8& v, std::uint32_t i) noexcept
{
  const std::uint32_t pair = v.pairs[i / 2];
  return std::bit_cast<float>(i % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
}

[[nodiscard]] HSTU_FUNCTION inline float element(bf16x2 v, std::uint32_t i) noexcept
{
  return std::bit_cast<float>(i % 2 == 0 ? v.pair << 16 : v.pair & 0xffff0000u);
}

/// Eight floats, rounded to bf16.
template <class Block>
[[nodiscard]] HSTU_KERNEL inline bf16x8 pack_vector(const float* values) noexcept
{
  bf16x8 out;
  for (std::uint32_t i = 0; i < 4; ++i) out.pairs[i] = Block::pack(values[2 * i], values[2 * i + 1]);
  return out;
}

/// The sum of a value over the 32 threads of a warp, in each of them. Collective.
template <class Block>
[[nodiscard]] HSTU_KERNEL inline float sum_of_warp(Block& block, float value)
{
  for (std::uint32_t mask = 16; mask > 0; mask /= 2) value += block.shuffle_xor(value, mask);
  return value;
}

}  // namespace hstu::gpu
