// What all rows of a pass go through on a device, whatever they attend to; what row_stack is on the CPU.
//
//   embed    arrays up | rows of the table of tokens
//   project  norm | product | Q turned, K turned and V into their pages
//   attend   the shared stage, for each part of the prompts | of beams the own stage
//   finish   product, added to x | norm | product | gates | product, added to x
//   logits   norm | product
#pragma once

#include "decoder/gpu/kernels.hpp"
#include "decoder/gpu/model.hpp"
#include "decoder/gpu/own_stage.hpp"
#include "decoder/gpu/row_plan.hpp"
#include "decoder/gpu/shared_stage.hpp"

#include "hstu/gpu/footprint.hpp"
#include "hstu/gpu/turns.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace decoder::gpu {

/// A compute stream with the memory of its passes, which take turns. One thread at a time. It must outlive its passes, and the model
/// the lane; destroying it blocks until the last pass is over.
template <runner Runner>
class lane : public hstu::gpu::planned_turns<model<Runner>, row_plan>
{
 public:
  using hstu::gpu::planned_turns<model<Runner>, row_plan>::planned_turns;
};

/// The steps of one pass. What is queued reads `on.plan` no more; all of it is in order on the lane's stream.
template <runner Runner>
class pass_rows
{
 public:
  explicit pass_rows(lane<Runner>& on) : on_(on), m_(on.parameters), c_(on.parameters.options()), width_(width_of(c_))
  {
  }

  /// on.plan is closed, and the lane is this pass's: lays its memory. The views' arrays are not read after that.
  void reserve(std::span<const kvstrata::page_table_view> prompts, const kvstrata::page_table_view& scratch,
               std::size_t logits_of_row);
  void embed();
  /// Writes K and V into the pages of `to`, the last part of the prompts or scratch.
  void project(kvstrata::layer_index l, const kvstrata::page_table_view& to, bool keys_only);
  void attend(kvstrata::layer_index l);
  void finish(kvstrata::layer_index l);
  /// Logits on the device, and then on the host.
  void logits(std::uint32_t level);

  /// [rows][logits_of_row] on the host, once the stream has come to where logits() put them.
  [[nodiscard]] std::span<const float> host_logits() const
  {
    return {reinterpret_cast<const float*>(on_.host.data() + arrays_.bytes), logits_.count};
  }
  /// The same in memory of the device.
  [[nodiscard]] const float* device_logits() const { return work(logits_); }

 private:
  void lay_workspace(std::size_t logits_of_row);
  void watch(const kvstrata::page_table_view& to);
  void tell(std::string_view label, kvstrata::layer_index l, bool writes);
  void normalise(std::string_view label, const float* weight);
  void multiply(std::string_view label, std::size_t columns, std::size_t inner, const section<bf16>& a,
                hstu::gpu::product p);
  template <class Call>
  void with_head_dim(Call&& call) const
  {
    if (c_.head_dim == 64) call(std::integral_constant<std::uint32_t, 64>());
    else call(std::integral_constant<std::uint32_t, 128>());
  }

  template <class T>
  [[nodiscard]] T* work(const section<T>& part) const
  {
    return part.in(on_.work.data()).data();
  }

  lane<Runner>& on_;
  const model<Runner>& m_;
  const config& c_;
  std::size_t width_;
  std::uint32_t rows_ = 0, own_ = 0, tiles_ = 0;
  std::vector<kvstrata::page_table_view> prompts_;  // the parts; their arrays are not read after reserve()
  kvstrata::page_table_view scratch_;               // likewise
  upload_layout arrays_;
  hstu::gpu::sections workspace_;
  section<float> residual_;  // [rows][hidden]
  section<bf16> normal_;     // [rows][hidden]
  section<bf16> projected_;  // [rows][3 * D] Q, K, V
  section<bf16> attended_;   // [rows][D]
  section<bf16> gates_;      // [rows][2 * ffn]
  section<bf16> activated_;  // [rows][ffn]
  section<float> o_, lse_;   // of the shared stage's states: [rows][D], [rows][heads]; empty where there is one stage
  section<float> logits_;

  struct touched
  {
    const kvstrata::page_table_view* view;
    hstu::gpu::touched_bytes in_layer_0;
  };
  std::vector<touched> written_, read_;  // for a runner that watches
};

}  // namespace decoder::gpu

#include "decoder/gpu/pass_rows_steps.hpp"
