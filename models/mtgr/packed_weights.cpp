#include "mtgr/packed_weights.hpp"

#include <cstddef>

namespace mtgr {

packed_weights pack(const config& c, const weights& w)
{
  const auto packed = [](std::size_t inner, std::size_t columns, const std::vector<float>& from) {
    return hstu::packed_matrix(inner, columns, {from.data(), columns}, hstu::precision::f32, hstu::store::assign);
  };
  const std::size_t hidden = c.hidden;
  packed_weights out;
  for (std::size_t d = 0; d < domains; ++d) {
    out.tokens[d] = {packed(features_of(c, domain(d)), c.token_hidden, w.tokens[d].in),
                     packed(c.token_hidden, hidden, w.tokens[d].out)};
  }
  for (const layer_weights& layer : w.layers) {
    out.layers.emplace_back(hidden, width_of(c), layer.project.data(), layer.output.data(), hstu::precision::f32);
  }
  out.head_in = packed(hidden, tasks * c.head_hidden, w.head_in);
  return out;
}

}  // namespace mtgr
