#include "decoder/weights.hpp"

#include "hstu/drawn_tensors.hpp"

#include <cmath>

namespace decoder {

weights random_weights(const config& c)
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = width_of(c);
  const auto fan_in = [](std::size_t inputs) { return 1.0 / std::sqrt(static_cast<double>(inputs)); };
  hstu::drawn_tensors draw(c.seed);
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
