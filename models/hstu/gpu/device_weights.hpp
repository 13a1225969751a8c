// The parameters in device memory: matrices and tables in bf16, biases in float.
#pragma once

#include "hstu/bias.hpp"
#include "hstu/gpu/bf16.hpp"
#include "hstu/gpu/device_tensors.hpp"
#include "hstu/gpu/fold_norm.hpp"
#include "hstu/gpu/vectors.hpp"
#include "hstu/projection.hpp"
#include "hstu/weights.hpp"

#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace hstu::gpu {

struct device_layer_weights
{
  const bf16* project = nullptr;         ///< [hidden][4 * D], columns U, Q, K, V
  const bf16* output = nullptr;          ///< [D][hidden]
  const float* position_bias = nullptr;  ///< [heads][position_buckets]; null without
  const float* time_bias = nullptr;      ///< [heads][time_buckets]; null without

  const float* project_bias = nullptr;        ///< [4 * D]; null without, as the next
  const float* output_norm_weight = nullptr;  ///< [D]
  const float* output_norm_bias = nullptr;    ///< [D]
  const float* output_bias = nullptr;         ///< [hidden]
};

/// A head_layer, its matrix with zeros up to whole vectors both ways.
struct device_head_layer
{
  normalisation norm = normalisation::none;
  activation after = activation::none;
  std::uint32_t inputs = 0, outputs = 0;
  std::size_t padded_inputs = 0, padded_outputs = 0;
  const bf16* linear = nullptr;        ///< [padded_inputs][padded_outputs]
  const float* bias = nullptr;         ///< [outputs]; null without, as the next
  const float* norm_weight = nullptr;  ///< [inputs]
  const float* norm_bias = nullptr;    ///< [inputs]
};

/// Matrices are by rows, as in hstu::weights, but for the scoring head's.
template <kvstrata::device Device>
class device_weights
{
 public:
  /// Uploads `w`, rounded, by way of a little pinned memory; projections in the order that the config names become U, Q, K,
  /// V, and the weight and bias of a layer's input norm a part of its projection. Blocks until all is there. Throws
  /// capacity_error.
  device_weights(Device& d, const config& c, const weights& w, kvstrata::stream_id stream) : tensors_(d, stream)
  {
    items = place<bf16>(w.items, "item table");
    actions = place<bf16>(w.actions, "action table");
    positions = place<bf16>(w.positions, "position table");
    for (layer_weights l : w.layers) {
      arrange_projection(c, l);
      fold_input_norm(c, l);
      layers.push_back({place<bf16>(l.project, "projection"), place<bf16>(l.output, "output projection"),
                        place<float>(l.position_bias, "bias by distance"), place<float>(l.time_bias, "bias by time"),
                        place<float>(l.project_bias, "bias of the projection"),
                        place<float>(l.output_norm_weight, "weight of the output norm"),
                        place<float>(l.output_norm_bias, "bias of the output norm"),
                        place<float>(l.output_bias, "bias of the output projection")});
    }
    place_head(c, w);
    head_in = place<bf16>(w.head_in, "head");
    std::vector<float> by_task(w.head_out.size());
    for (std::size_t i = 0; i < by_task.size(); ++i) by_task[i % c.tasks * c.hidden + i / c.tasks] = w.head_out[i];
    head_by_task = place<bf16>(by_task, "head by task");
    std::vector<std::int64_t> seconds(c.time_buckets);
    for (std::size_t b = 0; b < seconds.size(); ++b) {
      seconds[b] = b == 0 ? std::numeric_limits<std::int64_t>::min() : hstu::least_seconds(b);
    }
    least_seconds = place<std::int64_t>(seconds, "time buckets");
    tensors_.close();
  }

  const bf16* items = nullptr;      ///< [items][hidden]
  const bf16* actions = nullptr;    ///< [actions][hidden]
  const bf16* positions = nullptr;  ///< [max_tokens + 1][hidden]
  std::vector<device_layer_weights> layers;
  std::vector<device_head_layer> head;          ///< in place of the next two
  const bf16* head_in = nullptr;                ///< [hidden][hidden]
  const bf16* head_by_task = nullptr;           ///< [tasks][hidden]: head_out, transposed
  const std::int64_t* least_seconds = nullptr;  ///< [time_buckets] of a bucket; [0] is the least int64

  /// The longest padded row that a layer of the head reads or gives; 0 without such layers.
  [[nodiscard]] std::size_t widest_head() const
  {
    std::size_t widest = 0;
    for (const device_head_layer& l : head) widest = (std::max)({widest, l.padded_inputs, l.padded_outputs});
    return widest;
  }

  /// Device memory in all.
  [[nodiscard]] std::size_t bytes() const { return tensors_.bytes(); }

 private:
  void place_head(const config& c, const weights& w)
  {
    std::uint32_t inputs = c.hidden;
    const auto padded = [](std::size_t count) { return (count + vector_width - 1) / vector_width * vector_width; };
    for (const head_layer& l : w.head) {
      device_head_layer out{.norm = l.norm, .after = l.after, .inputs = inputs, .outputs = l.outputs};
      out.padded_inputs = padded(inputs);
      out.padded_outputs = padded(l.outputs);
      std::vector<float> linear(out.padded_inputs * out.padded_outputs);
      for (std::size_t i = 0; i < inputs; ++i) {
        std::copy_n(l.linear.data() + i * l.outputs, l.outputs, linear.data() + i * out.padded_outputs);
      }
      out.linear = place<bf16>(linear, "head");
      out.bias = place<float>(l.bias, "bias of the head");
      if (l.norm == normalisation::layer) {
        out.norm_weight = place<float>(l.norm_weight, "weight of the head's norm");
        out.norm_bias = place<float>(l.norm_bias, "bias of the head's norm");
      }
      head.push_back(out);
      inputs = l.outputs;
    }
  }

  template <class To, class From>
  const To* place(const std::vector<From>& values, std::string_view name)
  {
    return tensors_.template place<To>(values, name);
  }

  device_tensors<Device> tensors_;
};

}  // namespace hstu::gpu
