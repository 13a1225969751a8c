// A trained model in one file: its weights as tensors of the safetensors format, its config as the file's metadata.
//
// tensor                               shape                       as in weights.hpp; optional ones may be absent
// ------------------------------------ --------------------------- --------------------------------------------------
// items, actions, positions            [rows][hidden]              absent with inputs by the caller
// layers.N.project, .output            [hidden][4 D], [D][hidden]
// layers.N.position_bias, .time_bias   [heads][buckets]            absent: 0 buckets
// layers.N.project_bias                [4 D]                       optional, as the next five
// layers.N.input_norm_weight, _bias    [hidden]
// layers.N.output_norm_weight, _bias   [D]
// layers.N.output_bias                 [hidden]
// head_in, head_out                    [hidden][hidden], [hidden][tasks]
// head.N.linear, .bias                 [inputs][outputs], [outputs] a head of other layers, in place of the two above
// head.N.norm_weight, .norm_bias       [inputs]
//
// Tensors are F32, F16 or BF16, by rows. Metadata: the fields of config by their names (layers, hidden, heads, head_dim,
// items, actions, tasks, max_tokens, normaliser, position_buckets, time_buckets, event_tokens, alpha, epsilon), where they
// do not follow from shapes; silu all or gates_only; projection u_q_k_v, u_v_q_k or u_v_q_k_by_head; ids rows or hashed;
// inputs tables or by_caller; looks_from own or next; head.N.norm none, layer or l2; head.N.activation none, silu, relu, gelu or sigmoid. Other keys
// are left alone. Without metadata ids are rows, and the rest is as in config.hpp.
#pragma once

#include "hstu/config.hpp"
#include "hstu/safetensors.hpp"
#include "hstu/weights.hpp"

#include <filesystem>

namespace hstu {

struct trained_model
{
  config options;
  weights parameters;
};

/// Reads a model. Everything that the file says of itself is checked before the first tensor is read, and a tensor that the
/// model does not know is refused. Takes memory for the weights in f32, and no more than the file bears out. Throws
/// kvstrata::data_error with the file and, as far as one is at fault, the tensor; kvstrata::config_error for a config that no
/// model takes.
[[nodiscard]] trained_model read_model(const std::filesystem::path& path, const safetensors_limits& limits = {});

/// Writes a model in F32; read_model() gives back the same. The weights must be of the config's sizes. Throws what check()
/// throws, and kvstrata::data_error when the file cannot be written.
void write_model(const std::filesystem::path& path, const config& c, const weights& w);

}  // namespace hstu
