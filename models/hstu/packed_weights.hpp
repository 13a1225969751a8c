// The matrices of a model's weights, as its products read them.
#pragma once

#include "hstu/config.hpp"
#include "hstu/packed_layer.hpp"
#include "hstu/weights.hpp"

#include <vector>

namespace hstu {

struct packed_weights
{
  std::vector<packed_layer> layers;
  packed_matrix head_in, head_out;  ///< of no columns where `head` is there, or no head
  std::vector<packed_matrix> head;
};

/// The weights must have passed check(), their projections be in the order U, Q, K, V. What packed_matrix throws.
[[nodiscard]] packed_weights pack(const config& c, const weights& w, precision in);

}  // namespace hstu
