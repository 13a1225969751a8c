// Random tensors: the same with every compiler and standard library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hstu {

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Draws tensor after tensor; every tensor has a stream of its own, so that one size does not shift the others.
class drawn_tensors
{
 public:
  explicit drawn_tensors(std::uint64_t seed) : seed_(mix(seed)) {}

  /// Evenly between two ends around `mean`.
  [[nodiscard]] std::vector<float> uniform(std::size_t count, double deviation, float mean = 0)
  {
    const std::uint64_t stream = mix(seed_ + ++tensor_);
    const auto reach = static_cast<float>(std::sqrt(3.0) * deviation);
    std::vector<float> out(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = static_cast<std::int32_t>(mix(stream + i) >> 40);  // 24 bits: exact in a float
      out[i] = mean + static_cast<float>(bits - (1 << 23)) * 0x1p-23f * reach;
    }
    return out;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t tensor_ = 0;
};

}  // namespace hstu
