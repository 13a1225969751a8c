// The order of a projection's columns, as trained models have it. The model computes with U, Q, K, V; any other order is
// brought to it once, when a model is made.
#pragma once

#include "hstu/config.hpp"
#include "hstu/weights.hpp"

namespace hstu {

/// Moves the columns of `project` and `project_bias` from the order that config::projection names to U, Q, K, V. The layer
/// must have passed check(). Linear in their size.
void arrange_projection(const config& c, layer_weights& layer);

}  // namespace hstu
