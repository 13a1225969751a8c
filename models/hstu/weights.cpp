#include "hstu/weights.hpp"

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <string>
#include <string_view>

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
  if (c.inputs == token_inputs::tables) {
    w.items = draw.uniform(c.items * hidden, 1.0);
    w.actions = draw.uniform(c.actions * hidden, 1.0);
    w.positions = draw.uniform((std::size_t{c.max_tokens} + 1) * hidden, 0.3);
  }
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
  if (c.tasks != 0) {
    w.head_in = draw.uniform(hidden * hidden, fan_in);
    w.head_out = draw.uniform(hidden * c.tasks, 1.7 * fan_in);
  }
  return w;
}

void check(const config& c, const weights& w)
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = width_of(c);
  const auto sized = [](std::string_view name, const std::vector<float>& tensor, std::size_t rows, std::size_t columns,
                        bool may_be_empty = false) {
    if (tensor.size() == rows * columns || (may_be_empty && tensor.empty())) return;
    throw kvstrata::config_error("the size of the tensor " + std::string(name), tensor.size(),
                                 "the model's config asks for " + std::to_string(rows) + " x " +
                                     std::to_string(columns) + " = " + std::to_string(rows * columns));
  };
  const bool by_caller = c.inputs == token_inputs::by_caller;
  sized("items", w.items, c.items, hidden, by_caller);
  sized("actions", w.actions, c.actions, hidden, by_caller);
  sized("positions", w.positions, std::size_t{c.max_tokens} + 1, hidden, by_caller);
  if (w.layers.size() != c.layers) {
    throw kvstrata::config_error("the number of layers among the weights", w.layers.size(),
                                 "the model's config asks for " + std::to_string(c.layers));
  }
  for (std::size_t l = 0; l < w.layers.size(); ++l) {
    const layer_weights& layer = w.layers[l];
    const std::string name = "layers." + std::to_string(l) + ".";
    sized(name + "project", layer.project, hidden, 4 * width);
    sized(name + "output", layer.output, width, hidden);
    sized(name + "position_bias", layer.position_bias, c.heads, c.position_buckets);
    sized(name + "time_bias", layer.time_bias, c.heads, c.time_buckets);
    sized(name + "project_bias", layer.project_bias, 1, 4 * width, true);
    sized(name + "input_norm_weight", layer.input_norm_weight, 1, hidden, true);
    sized(name + "input_norm_bias", layer.input_norm_bias, 1, hidden, true);
    sized(name + "output_norm_weight", layer.output_norm_weight, 1, width, true);
    sized(name + "output_norm_bias", layer.output_norm_bias, 1, width, true);
    sized(name + "output_bias", layer.output_bias, 1, hidden, true);
  }
  const bool classic = c.tasks != 0 && w.head.empty();
  sized("head_in", w.head_in, classic ? hidden : 0, hidden);
  sized("head_out", w.head_out, classic ? hidden : 0, c.tasks);
  std::size_t columns = hidden;
  for (std::size_t i = 0; i < w.head.size(); ++i) {
    const head_layer& layer = w.head[i];
    const std::string name = "head." + std::to_string(i) + ".";
    if (layer.outputs == 0) throw kvstrata::config_error(name + "outputs", std::uint64_t{0}, "it must be at least 1");
    sized(name + "norm_weight", layer.norm_weight, 1, columns, true);
    sized(name + "norm_bias", layer.norm_bias, 1, columns, true);
    sized(name + "linear", layer.linear, columns, layer.outputs);
    sized(name + "bias", layer.bias, 1, layer.outputs, true);
    columns = layer.outputs;
  }
  if (!w.head.empty() && columns != c.tasks) {
    throw kvstrata::config_error("the outputs of the head's last layer", columns,
                                 "hstu.tasks is " + std::to_string(c.tasks));
  }
}

std::uint32_t item_row(const config& c, std::uint64_t item) noexcept
{
  return static_cast<std::uint32_t>(c.ids == item_ids::rows ? item : mix(item) % c.items);
}

}  // namespace hstu
