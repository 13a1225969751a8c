#include "hstu/weights.hpp"

#include "hstu/drawn_tensors.hpp"
#include "hstu/limits.hpp"

#include <cmath>
#include <string>
#include <string_view>

namespace hstu {

weights random_weights(const config& c)
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = width_of(c);
  const double fan_in = 1.0 / std::sqrt(static_cast<double>(hidden));
  // SiLU attention does not divide QK^T by sqrt(head_dim), so wide heads get smaller Q and K instead.
  const double narrow = std::pow(64.0 / c.head_dim, 0.25);

  drawn_tensors draw(c.seed);
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
    if (!(may_be_empty && tensor.empty())) check_size(name, tensor.size(), rows, columns);
  };
  const bool by_caller = c.inputs == token_inputs::by_caller;
  sized("items", w.items, c.items, hidden, by_caller);
  sized("actions", w.actions, c.actions, hidden, by_caller);
  sized("positions", w.positions, std::size_t{c.max_tokens} + 1, hidden, by_caller);
  check_layers(w.layers.size(), c.layers);
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
