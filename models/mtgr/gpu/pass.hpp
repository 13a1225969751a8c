// A forward pass of a batch, queued on a stream.
//
//   embed   features up | a product, bias and SiLU, a product and bias for each domain that has rows
//   layer   group norm | project | SiLU, K and V into the pages of their part | attention | gate by U, group norm | project,
//           add to x | bias
//   head    norm | product | towers | logits down
#pragma once

#include "hstu/gpu/activate.hpp"
#include "hstu/gpu/add_row.hpp"
#include "hstu/gpu/attention_parts.hpp"
#include "hstu/gpu/footprint.hpp"
#include "hstu/gpu/turns.hpp"
#include "mtgr/gpu/kernels.hpp"
#include "mtgr/gpu/model.hpp"
#include "mtgr/gpu/upload.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtgr::gpu {

/// The model and the plan beside what passes take turns with. One thread at a time. It must outlive its pass, and the model the
/// lane; destroying it blocks until its last pass is over.
template <runner Runner>
class lane : public hstu::gpu::planned_turns<model<Runner>, row_plan>
{
 public:
  using hstu::gpu::planned_turns<model<Runner>, row_plan>::planned_turns;
};

/// Makes the promises of mtgr::batch_forward, but that its steps queue work on the lane's stream and do not block; what they
/// read is read when the stream comes there, requests and the views' arrays by the constructor. K and V are bf16, so that
/// results depend on which tokens were in the pages already within the rounding of bf16.
template <runner Runner>
class pass
{
 public:
  /// Plans a pass; request r owns request r of the views. Blocks until the lane's last pass is over. Proportional to the tokens
  /// to compute and to the pages. Throws what check_batch() throws, kvstrata::config_error for pages that are none for the
  /// kernels, kvstrata::usage_error while another pass has the lane.
  pass(lane<Runner>& on, std::span<const request> batch, const part_views& views);
  ~pass() { on_.give_back(); }
  pass(const pass&) = delete;
  pass& operator=(const pass&) = delete;

  void embed();  ///< throws kvstrata::usage_error out of turn, as the next two
  void layer(kvstrata::layer_index l);
  void head();

  /// Blocks the host until the logits are there: of one request, [candidates][tasks]. Throws kvstrata::usage_error before
  /// head(), kvstrata::device_error when the device has failed.
  [[nodiscard]] std::span<const float> logits_sync(std::size_t request) const
  {
    const std::vector<std::size_t>& first = plan_.first_candidate;
    return logits_sync().subspan(first[request] * tasks, (first[request + 1] - first[request]) * tasks);
  }
  /// Of all requests in a row.
  [[nodiscard]] std::span<const float> logits_sync() const
  {
    if (next_ != c_.layers + 2) throw kvstrata::usage_error("head() has not been called, so there are no logits");
    on_.device().wait_sync(on_.last);
    return {reinterpret_cast<const float*>(on_.host.data() + arrays_.bytes), candidates() * tasks};
  }

 private:
  [[nodiscard]] std::size_t candidates() const { return plan_.rows - plan_.page_rows; }
  void require_turn(std::uint32_t step, std::string_view call) const;
  void reserve();
  void project(kvstrata::layer_index l, std::size_t whole);
  void attend(kvstrata::layer_index l, const section<hstu::query_tile>& tiles);
  void gate_and_add(kvstrata::layer_index l, std::size_t first);
  void multiply(std::string_view label, std::size_t first, std::size_t last, std::size_t columns, std::size_t inner,
                hstu::gpu::product p);
  void tell(std::string_view label, kvstrata::layer_index l, bool writes);
  [[nodiscard]] row_groups groups(const float* gain, const float* bias) const
  {
    const auto end = [this](std::size_t d) { return static_cast<std::uint32_t>(plan_.begin[d]); };
    return {{end(1), end(2), end(3)}, gain, bias};
  }
  [[nodiscard]] std::uint32_t parts_of(const section<hstu::query_tile>& tiles) const
  {
    return hstu::gpu::attention_parts(tiles.count, c_.heads, longest_, on_.machine().multiprocessors());
  }

  lane<Runner>& on_;
  const model<Runner>& m_;
  const config& c_;
  const std::size_t width_;
  const row_plan& plan_;
  part_views views_;  // their arrays are not read after the constructor
  upload_layout arrays_;
  std::uint32_t longest_ = 0;  // keys of a request
  bool gaps_ = false;
  std::uint32_t next_ = 0;                                // step: embed, layers, head, none
  std::vector<hstu::gpu::touched_bytes> written_, read_;  // of layer 0's pages, for a runner that watches

  // In the lane's workspace, by row of the plan:
  float* residual_ = nullptr;   // [rows][hidden]
  bf16* normal_ = nullptr;      // [rows][hidden]
  bf16* projected_ = nullptr;   // [rows][4 * D] U, Q, K, V
  bf16* attended_ = nullptr;    // [rows][D]
  bf16* inner_ = nullptr;       // [rows][the widest layer within tokens and towers]
  float* part_sums_ = nullptr;  // see attention_arguments
};

}  // namespace mtgr::gpu

#include "mtgr/gpu/pass_steps.hpp"
