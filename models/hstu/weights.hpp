// The model's parameters: a caller's, or seeded and random, the same with every compiler and standard library.
#pragma once

#include "hstu/config.hpp"
#include "hstu/head.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hstu {

/// One layer. D is width_of(config). The last six are of some trained layers only: empty, they cost nothing.
struct layer_weights
{
  std::vector<float> project;        ///< [hidden][4 * D], columns U, Q, K, V
  std::vector<float> output;         ///< [D][hidden]
  std::vector<float> position_bias;  ///< [heads][position_buckets], by how far the key lies back
  std::vector<float> time_bias;      ///< [heads][time_buckets], by the bucket of the time between

  std::vector<float> project_bias;        ///< [4 * D] or empty, as the columns of `project`
  std::vector<float> input_norm_weight;   ///< [hidden] or empty: normalised inputs are multiplied by it ...
  std::vector<float> input_norm_bias;     ///< [hidden] or empty: ... and this is added
  std::vector<float> output_norm_weight;  ///< [D] or empty: normalised attention is multiplied by it ...
  std::vector<float> output_norm_bias;    ///< [D] or empty: ... and this is added, before U gates it
  std::vector<float> output_bias;         ///< [hidden] or empty: added to what `output` gives
};

struct weights
{
  std::vector<float> items;      ///< [items][hidden]; it and the next two may be empty with inputs by the caller
  std::vector<float> actions;    ///< [actions][hidden]
  std::vector<float> positions;  ///< [max_tokens + 1][hidden]; the last for candidates behind a full history
  std::vector<layer_weights> layers;
  std::vector<float> head_in;    ///< [hidden][hidden]
  std::vector<float> head_out;   ///< [hidden][tasks]
  std::vector<head_layer> head;  ///< in place of head_in and head_out, which are empty then
};

/// Throws kvstrata::config_error with the name of the first tensor (as in a file of weights: model_file.hpp) that is not
/// of the size that the config, which must have passed check(), asks for. Looks at no value.
void check(const config& c, const weights& w);

/// Weights drawn from config.seed, scaled so that activations stay of the order of 1 in any depth and width.
/// The config must have passed check().
[[nodiscard]] weights random_weights(const config& c);

/// The row of the item table for an item id, as config::ids says; with item_ids::rows the id must be below config::items.
[[nodiscard]] std::uint32_t item_row(const config& c, std::uint64_t item) noexcept;

/// The row of the action table of an action id.
[[nodiscard]] inline std::uint32_t action_row(const config& c, std::uint32_t action) noexcept
{
  return action % c.actions;
}

}  // namespace hstu
