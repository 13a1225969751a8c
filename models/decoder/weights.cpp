#include "decoder/weights.hpp"

#include <cmath>
#include <cstdint>

namespace decoder {
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

  std::vector<float> uniform(std::size_t count, double deviation, float mean = 0)
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

}  // namespace

weights random_weights(const config& c)
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = width_of(c);
  const auto fan_in = [](std::size_t inputs) { return 1.0 / std::sqrt(static_cast<double>(inputs)); };
  source draw(c.seed);
  weights w;
  for (const std::uint32_t codebook : c.codebooks) w.tokens.push_back(draw.uniform(codebook * hidden, 1.0));
  w.start = draw.uniform(hidden, 1.0);
  w.layers.resize(c.layers);
  for (layer_weights& layer : w.layers) {
    layer.attention_norm = draw.uniform(hidden, 0.1, 1);
    layer.project = draw.uniform(hidden * 3 * width, 1.3 * fan_in(hidden));
    layer.output = draw.uniform(width * hidden, fan_in(width));
    layer.ffn_norm = draw.uniform(hidden, 0.1, 1);
    layer.gate_up = draw.uniform(hidden * 2 * c.ffn, 1.3 * fan_in(hidden));
    layer.down = draw.uniform(c.ffn * hidden, fan_in(c.ffn));
  }
  w.final_norm = draw.uniform(hidden, 0.1, 1);
  return w;
}

}  // namespace decoder
