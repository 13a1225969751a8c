// Which tensors a model's file has, and where their values go: one list for reading and writing.
#pragma once

#include "hstu/config.hpp"
#include "hstu/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hstu {

/// Calls visit(name, shape, values, optional) for every tensor that weights of this config may have. Layers are those that
/// w has; `optional` ones may be empty. Weights: hstu::weights, const or not.
template <class Weights, class Visitor>
void visit_tensors(const config& c, Weights& w, Visitor&& visit)
{
  using shape = std::vector<std::uint64_t>;
  const std::uint64_t hidden = c.hidden;
  const std::uint64_t width = width_of(c);
  const bool by_caller = c.inputs == token_inputs::by_caller;
  visit("items", shape{c.items, hidden}, w.items, by_caller);
  visit("actions", shape{c.actions, hidden}, w.actions, by_caller);
  visit("positions", shape{std::uint64_t{c.max_tokens} + 1, hidden}, w.positions, by_caller);
  for (std::size_t l = 0; l < w.layers.size(); ++l) {
    auto& layer = w.layers[l];
    const std::string name = "layers." + std::to_string(l) + ".";
    visit(name + "project", shape{hidden, 4 * width}, layer.project, false);
    visit(name + "output", shape{width, hidden}, layer.output, false);
    visit(name + "position_bias", shape{c.heads, c.position_buckets}, layer.position_bias, c.position_buckets == 0);
    visit(name + "time_bias", shape{c.heads, c.time_buckets}, layer.time_bias, c.time_buckets == 0);
    visit(name + "project_bias", shape{4 * width}, layer.project_bias, true);
    visit(name + "input_norm_weight", shape{hidden}, layer.input_norm_weight, true);
    visit(name + "input_norm_bias", shape{hidden}, layer.input_norm_bias, true);
    visit(name + "output_norm_weight", shape{width}, layer.output_norm_weight, true);
    visit(name + "output_norm_bias", shape{width}, layer.output_norm_bias, true);
    visit(name + "output_bias", shape{hidden}, layer.output_bias, true);
  }
  if (c.tasks != 0 && w.head.empty()) {
    visit("head_in", shape{hidden, hidden}, w.head_in, false);
    visit("head_out", shape{hidden, c.tasks}, w.head_out, false);
  }
  std::uint64_t columns = hidden;
  for (std::size_t i = 0; i < w.head.size(); ++i) {
    auto& layer = w.head[i];
    const std::string name = "head." + std::to_string(i) + ".";
    visit(name + "linear", shape{columns, layer.outputs}, layer.linear, false);
    visit(name + "bias", shape{layer.outputs}, layer.bias, true);
    visit(name + "norm_weight", shape{columns}, layer.norm_weight, true);
    visit(name + "norm_bias", shape{columns}, layer.norm_bias, true);
    columns = layer.outputs;
  }
}

/// The words of a file's metadata for an enumeration, in the order of its values.
template <class Enum>
inline constexpr std::string_view words_of[] = {""};
template <>
inline constexpr std::string_view words_of<activated>[] = {"all", "gates_only"};
template <>
inline constexpr std::string_view words_of<projection_order>[] = {"u_q_k_v", "u_v_q_k", "u_v_q_k_by_head"};
template <>
inline constexpr std::string_view words_of<item_ids>[] = {"hashed", "rows"};
template <>
inline constexpr std::string_view words_of<token_inputs>[] = {"tables", "by_caller"};
template <>
inline constexpr std::string_view words_of<query_time>[] = {"own", "next"};
template <>
inline constexpr std::string_view words_of<normalisation>[] = {"none", "layer", "l2"};
template <>
inline constexpr std::string_view words_of<activation>[] = {"none", "silu", "relu", "gelu", "sigmoid"};

/// Calls visit(key, value) for every field of a config but the seed.
template <class Config, class Visitor>
void visit_fields(Config& c, Visitor&& visit)
{
  visit("layers", c.layers);
  visit("hidden", c.hidden);
  visit("heads", c.heads);
  visit("head_dim", c.head_dim);
  visit("items", c.items);
  visit("actions", c.actions);
  visit("tasks", c.tasks);
  visit("max_tokens", c.max_tokens);
  visit("normaliser", c.normaliser);
  visit("position_buckets", c.position_buckets);
  visit("time_buckets", c.time_buckets);
  visit("event_tokens", c.event_tokens);
  visit("alpha", c.alpha);
  visit("epsilon", c.epsilon);
  visit("silu", c.silu);
  visit("projection", c.projection);
  visit("ids", c.ids);
  visit("inputs", c.inputs);
  visit("looks_from", c.looks_from);
}

}  // namespace hstu
