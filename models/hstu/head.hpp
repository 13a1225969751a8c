// A scoring head of a caller's own: layers that turn a candidate's last state into its scores, one behind the other. And
// the scores of a model that has none: products of a last state with the rows of items.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// What a head's layer does to a row before it multiplies.
enum class normalisation : std::uint8_t {
  none,
  layer,  ///< to mean 0 and variance 1, as the model's own layers do; then weight and bias, where there are any
  l2,     ///< to length 1; a shorter row than epsilon is divided by epsilon
};

/// What it does to the products.
enum class activation : std::uint8_t { none, silu, relu, gelu, sigmoid };

/// y = activation(normalisation(x) linear + bias).
struct head_layer
{
  normalisation norm = normalisation::none;
  activation after = activation::none;
  std::uint32_t outputs = 0;
  std::vector<float> linear{};       ///< [inputs][outputs]; the first layer's inputs are the hidden width
  std::vector<float> bias{};         ///< [outputs] or empty
  std::vector<float> norm_weight{};  ///< [inputs] or empty; of normalisation::layer only
  std::vector<float> norm_bias{};    ///< [inputs] or empty; likewise
};

/// One row through one layer: `to` has layer.outputs floats. Plain loops in double precision, for a handful of rows; a
/// model's head computes the same by matrix products.
void apply(const head_layer& layer, float epsilon, std::span<const float> from, std::span<float> to);

/// Values as `how` leaves them, in place.
void activate(activation how, std::span<float> values);

/// A row as `norm` leaves it, in place.
void normalise(normalisation norm, float epsilon, std::span<float> row);

/// scores[i] = normalised(state) . normalised(row rows[i] of `table`), rows as long as the state: how a model without
/// candidate tokens ranks items by a history's last state. `of_state` and `of_items` say what is normalised. Proportional
/// to the rows asked for. Throws kvstrata::config_error for a row behind the table's end.
void dot_scores(std::span<const float> state, std::span<const float> table, std::span<const std::uint32_t> rows,
                std::span<float> scores, normalisation of_state, normalisation of_items, float epsilon);

/// The `count` rows of `table` that score highest, best first; equal ones in the order of the table. O(rows log count).
[[nodiscard]] std::vector<std::uint32_t> best_rows(std::span<const float> state, std::span<const float> table,
                                                   std::size_t count, normalisation of_state, normalisation of_items,
                                                   float epsilon);

}  // namespace hstu
