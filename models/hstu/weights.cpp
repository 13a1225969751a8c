#include "hstu/weights.hpp"

#include <cmath>

namespace hstu {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
std::uint64_t mix(std::uint64_t x) noexcept
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Draws tensor after tensor; every tensor has a stream of its own, so that one size does not shift the others.
class source
{
 public:
  explicit source(std::uint64_t seed) : seed_(mix(seed)) {}

  std::vector<float> uniform(std::size_t count, double deviation)
  {
    const std::uint64_t stream = mix(seed_ + ++tensor_);
    const auto reach = static_cast<float>(std::sqrt(3.0) * deviation);
    std::vector<float> out(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = static_cast<std::int32_t>(mix(stream + i) >> 40);  // 24 bits: exact in a float
      out[i] = static_cast<float>(bits - (1 << 23)) * 0x1p-23f * reach;
    }
    return out;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t tensor_ = 0;
};

}  // namespace

weights random_weights(const config& c)
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = width_of(c);
  const double fan_in = 1.0 / std::sqrt(static_cast<double>(hidden));
  // SiLU attention does not divide QK^T by sqrt(head_dim), so wide heads get smaller Q and K instead.
  const double narrow = std::pow(64.0 / c.head_dim, 0.25);

  source draw(c.seed);
  weights w;
  w.items = draw.uniform(c.items * hidden, 1.0);
  w.actions = draw.uniform(c.actions * hidden, 1.0);
  w.positions = draw.uniform((std::size_t{c.max_tokens} + 1) * hidden, 0.3);
  w.layers.resize(c.layers);
  for (layer_weights& layer : w.layers) {
    layer.project = draw.uniform(hidden * 4 * width, fan_in);
    for (std::size_t row = 0; row < hidden; ++row) {
      float* q_and_k = layer.project.data() + row * 4 * width + width;
      for (std::size_t i = 0; i < 2 * width; ++i) q_and_k[i] *= static_cast<float>(narrow);
    }
    layer.output = draw.uniform(width * hidden, 1.0 / std::sqrt(static_cast<double>(width)));
    layer.position_bias = draw.uniform(std::size_t{c.heads} * c.position_buckets, 0.5);
    layer.time_bias = draw.uniform(std::size_t{c.heads} * c.time_buckets, 0.5);
  }
  w.head_in = draw.uniform(hidden * hidden, fan_in);
  w.head_out = draw.uniform(hidden * c.tasks, 1.7 * fan_in);
  return w;
}

std::uint32_t item_row(const config& c, std::uint64_t item) noexcept
{
  return static_cast<std::uint32_t>(mix(item) % c.items);
}

}  // namespace hstu
