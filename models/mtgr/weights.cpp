#include "mtgr/weights.hpp"

#include <cmath>
#include <cstdint>
#include <string_view>

namespace mtgr {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
std::uint64_t mix(std::uint64_t x) noexcept
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool ends_with(std::string_view name, std::string_view end)
{
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

}  // namespace

void check(const config& c, const weights& w)
{
  if (w.layers.size() != c.layers) {
    throw kvstrata::config_error("the number of layers among the weights", w.layers.size(),
                                 "the model's config asks for " + std::to_string(c.layers));
  }
  visit_tensors(c, w,
                [](const std::string& name, std::size_t rows, std::size_t columns, const std::vector<float>& tensor) {
                  if (tensor.size() == rows * columns) return;
                  throw kvstrata::config_error("the size of the tensor " + name, tensor.size(),
                                               "the model's config asks for " + std::to_string(rows) + " x " +
                                                   std::to_string(columns) + " = " + std::to_string(rows * columns));
                });
}

weights random_weights(const config& c)
{
  weights w;
  w.layers.resize(c.layers);
  // SiLU attention does not divide QK^T by sqrt(head_dim), so wide heads get smaller Q and K instead.
  const double narrow = std::pow(64.0 / c.head_dim, 0.25);
  std::uint64_t number = 0;
  visit_tensors(c, w, [&](const std::string& name, std::size_t rows, std::size_t columns, std::vector<float>& tensor) {
    const std::uint64_t stream = mix(mix(c.seed) + ++number);
    const bool gain = ends_with(name, ".gain");
    const bool bias = ends_with(name, "bias");
    const double fan_in = static_cast<double>(name == "head_out" ? columns : rows);
    const auto reach = static_cast<float>(std::sqrt(3.0) * (gain || bias ? 0.2 : 1.0 / std::sqrt(fan_in)));
    tensor.resize(rows * columns);
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      const auto bits = static_cast<std::int32_t>(mix(stream + i) >> 40);  // 24 bits: exact in a float
      tensor[i] = (gain ? 1.0f : 0.0f) + static_cast<float>(bits - (1 << 23)) * 0x1p-23f * reach;
    }
    if (!ends_with(name, ".project")) return;
    const std::size_t width = columns / 4;
    for (std::size_t row = 0; row < rows; ++row) {
      float* const q_and_k = tensor.data() + row * columns + width;
      for (std::size_t i = 0; i < 2 * width; ++i) q_and_k[i] *= static_cast<float>(narrow);
    }
  });
  return w;
}

}  // namespace mtgr
