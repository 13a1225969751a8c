// The matrices of a model's weights, as its products read them.
#pragma once

#include "hstu/packed_layer.hpp"
#include "mtgr/weights.hpp"

#include <array>
#include <vector>

namespace mtgr {

struct packed_weights
{
  struct token_matrices
  {
    hstu::packed_matrix in;   ///< [features][token_hidden]
    hstu::packed_matrix out;  ///< [token_hidden][hidden]
  };

  std::array<token_matrices, domains> tokens;
  std::vector<hstu::packed_layer> layers;
  hstu::packed_matrix head_in;  ///< [hidden][tasks * head_hidden]
};

/// The weights must have passed check(). What hstu::packed_matrix throws.
[[nodiscard]] packed_weights pack(const config& c, const weights& w);

}  // namespace mtgr
