#include "mtgr/weights.hpp"

#include "hstu/drawn_tensors.hpp"
#include "hstu/limits.hpp"

#include <cmath>
#include <string_view>

namespace mtgr {
namespace {

bool ends_with(std::string_view name, std::string_view end)
{
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

}  // namespace

void check(const config& c, const weights& w)
{
  hstu::check_layers(w.layers.size(), c.layers);
  visit_tensors(c, w,
                [](const std::string& name, std::size_t rows, std::size_t columns, const std::vector<float>& tensor) {
                  hstu::check_size(name, tensor.size(), rows, columns);
                });
}

weights random_weights(const config& c)
{
  weights w;
  w.layers.resize(c.layers);
  // SiLU attention does not divide QK^T by sqrt(head_dim), so wide heads get smaller Q and K instead.
  const double narrow = std::pow(64.0 / c.head_dim, 0.25);
  hstu::drawn_tensors draw(c.seed);
  visit_tensors(c, w, [&](const std::string& name, std::size_t rows, std::size_t columns, std::vector<float>& tensor) {
    const bool gain = ends_with(name, ".gain");
    const bool bias = ends_with(name, "bias");
    const double fan_in = static_cast<double>(name == "head_out" ? columns : rows);
    tensor = draw.uniform(rows * columns, gain || bias ? 0.2 : 1.0 / std::sqrt(fan_in), gain ? 1.0f : 0.0f);
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
