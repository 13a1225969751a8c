#include "hstu/model.hpp"

#include "hstu/packed_weights.hpp"
#include "hstu/projection.hpp"
#include "hstu/workspace.hpp"

#include <utility>

namespace hstu {
namespace {

const config& checked(const config& c, precision in)
{
  check(c);
  check(in);
  return c;
}

// Random weights are in that order already.
config drawn(config c)
{
  c.projection = projection_order::u_q_k_v;
  return c;
}

// Checked, and in the order of columns that the model computes with.
weights arranged(const config& c, weights w)
{
  check(c, w);
  for (layer_weights& layer : w.layers) arrange_projection(c, layer);
  return w;
}

}  // namespace

model::model(const config& c, std::size_t threads, precision in)
    : model(drawn(c), random_weights(checked(c, in)), threads, in)
{
}

model::model(const config& c, weights w, std::size_t threads, precision in)
    : config_(checked(c, in)),
      weights_(arranged(config_, std::move(w))),
      precision_(in),
      packed_(std::make_unique<packed_weights>(pack(config_, weights_, in))),
      crew_(std::make_unique<crew>(threads)),
      pool_(std::make_shared<workspace_pool>())
{
  config_.projection = projection_order::u_q_k_v;
}
model::~model() = default;

}  // namespace hstu
