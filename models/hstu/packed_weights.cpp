#include "hstu/packed_weights.hpp"

#include <cstddef>

namespace hstu {

packed_weights pack(const config& c, const weights& w, precision in)
{
  const std::size_t width = width_of(c);
  const std::size_t hidden = c.hidden;
  packed_weights out;
  for (const layer_weights& layer : w.layers) {
    out.layers.emplace_back(hidden, width, layer.project.data(), layer.output.data(), in);
  }
  std::size_t inputs = hidden;
  for (const head_layer& layer : w.head) {
    out.head.emplace_back(inputs, layer.outputs, matrix<const float>{layer.linear.data(), layer.outputs}, in,
                          store::assign);
    inputs = layer.outputs;
  }
  if (w.head_in.empty()) return out;
  out.head_in = {hidden, hidden, {w.head_in.data(), hidden}, in, store::assign};
  out.head_out = {hidden, c.tasks, {w.head_out.data(), c.tasks}, in, store::assign};
  return out;
}

}  // namespace hstu
