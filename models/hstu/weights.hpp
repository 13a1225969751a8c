// The reference model's parameters: seeded, random, the same with every compiler and standard library.
#pragma once

#include "hstu/config.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hstu {

/// One layer. D is width_of(config).
struct layer_weights
{
  std::vector<float> project;        ///< [hidden][4 * D], columns U, Q, K, V
  std::vector<float> output;         ///< [D][hidden]
  std::vector<float> position_bias;  ///< [heads][position_buckets], by how far the key lies back
  std::vector<float> time_bias;      ///< [heads][time_buckets], by the bucket of the time between
};

struct weights
{
  std::vector<float> items;      ///< [items][hidden]
  std::vector<float> actions;    ///< [actions][hidden]
  std::vector<float> positions;  ///< [max_tokens + 1][hidden]; the last for candidates behind a full history
  std::vector<layer_weights> layers;
  std::vector<float> head_in;   ///< [hidden][hidden]
  std::vector<float> head_out;  ///< [hidden][tasks]
};

/// Weights drawn from config.seed, scaled so that activations stay of the order of 1 in any depth and width.
/// The config must have passed check().
[[nodiscard]] weights random_weights(const config& c);

/// The row of the item table that an item id is hashed to.
[[nodiscard]] std::uint32_t item_row(const config& c, std::uint64_t item) noexcept;

/// The row of the action table of an action id.
[[nodiscard]] inline std::uint32_t action_row(const config& c, std::uint32_t action) noexcept
{
  return action % c.actions;
}

}  // namespace hstu
