// The decoder's parameters: seeded and random, the same with every compiler and standard library.
#pragma once

#include "decoder/config.hpp"

#include <cstddef>
#include <vector>

namespace decoder {

/// One layer. D is width_of(config).
struct layer_weights
{
  std::vector<float> attention_norm;  ///< [hidden]
  std::vector<float> project;         ///< [hidden][3 * D], columns Q, K, V
  std::vector<float> output;          ///< [D][hidden]
  std::vector<float> ffn_norm;        ///< [hidden]
  std::vector<float> gate_up;         ///< [hidden][2 * ffn], columns gate, up
  std::vector<float> down;            ///< [ffn][hidden]
};

struct weights
{
  std::vector<std::vector<float>>
      tokens;                ///< [depth][codebook][hidden] what enters, and what the last states are compared with
  std::vector<float> start;  ///< [hidden]
  std::vector<layer_weights> layers;
  std::vector<float> final_norm;  ///< [hidden]
};

/// Weights drawn from config.seed, scaled so that activations and logits stay of the order of 1 in any depth and width. The
/// config must have passed check().
[[nodiscard]] weights random_weights(const config& c);

}  // namespace decoder
