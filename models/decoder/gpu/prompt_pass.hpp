// A pass over histories on a device: what prompt_forward is on the CPU.
#pragma once

#include "decoder/gpu/pass_rows.hpp"
#include "decoder/prompt.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace decoder::gpu {

/// Makes the promises of decoder::prompt_forward, but that its steps queue work on the lane's stream and do not block; what they read is
/// read when the stream comes there, prompts and the view's arrays by the constructor. K and V are bf16, so that what is
/// written depends on which tokens were in the pages already within the rounding of bf16.
template <runner Runner>
class prompt_pass
{
 public:
  /// Plans a pass; prompt r owns request r of the view, `fronts` are the parts in front of it. Blocks until the lane's last pass is over. Throws what prompt_forward throws,
  /// kvstrata::usage_error while another pass has the lane.
  prompt_pass(lane<Runner>& on, std::span<const prompt> prompts, const kvstrata::page_table_view& view,
              const prompt_views& fronts = {})
      : on_(on), view_(view), rows_(on)
  {
    const config& c = on.parameters.options();
    check(c, on.parameters.shape(), prompts, view, fronts);
    on.await_turn();
    on.plan.clear();
    for (std::size_t r = 0; r < prompts.size(); ++r) add(prompts[r], r, fronts.tokens(r));
    on.plan.close();
    std::vector<kvstrata::page_table_view> parts(fronts.parts().begin(), fronts.parts().end());
    parts.push_back(view);
    rows_.reserve(parts, {}, 0);
    on.taken = true;
  }
  ~prompt_pass() { on_.give_back(); }
  prompt_pass(const prompt_pass&) = delete;
  prompt_pass& operator=(const prompt_pass&) = delete;

  /// Tokens that are computed.
  [[nodiscard]] std::size_t rows() const noexcept { return on_.plan.rows(); }

  void embed()  ///< throws kvstrata::usage_error out of turn, as the next
  {
    require_turn(0, "embed()");
    if (rows() != 0) rows_.embed();
    ++next_;
  }
  void layer(kvstrata::layer_index l)
  {
    require_turn(l + 1, "layer(" + std::to_string(l) + ")");
    ++next_;
    if (rows() == 0) return;
    const bool last = l + 1 == on_.parameters.options().layers;  // nobody needs more of a history's own tokens
    rows_.project(l, view_, last);
    if (last) return;
    rows_.attend(l);
    rows_.finish(l);
  }
  /// All of it.
  void run()
  {
    embed();
    for (kvstrata::layer_index l = 0; l < on_.parameters.options().layers; ++l) layer(l);
  }

 private:
  void add(const prompt& p, std::size_t r, kvstrata::token_count before)
  {
    row_plan& plan = on_.plan;
    const std::uint32_t depth = depth_of(on_.parameters.options());
    const std::uint32_t first = plan.rows();
    for (const kvstrata::token_interval i : p.compute) {
      for (kvstrata::token_count t = i.begin; t < i.end; ++t) {
        plan.add(on_.parameters.token_row((before + t) % depth, p.tokens[t - p.first_token]), before + t, r,
                 static_cast<std::uint64_t>(view_.key(0, r, t) - view_.base));
        plan.seen.push_back(t + 1);
      }
    }
    plan.add_tiles(r, first, p.first_token, 0);
  }
  void require_turn(std::uint32_t step, const std::string& call) const
  {
    if (next_ == step) return;
    const std::uint32_t layers = on_.parameters.options().layers;
    throw kvstrata::usage_error(call + " was called, but " +
                                (next_ == 0        ? std::string("embed() comes first")
                                 : next_ <= layers ? "layer " + std::to_string(next_ - 1) + " is next"
                                                   : std::string("the pass is finished")));
  }

  lane<Runner>& on_;
  kvstrata::page_table_view view_;  // its arrays are not read after the constructor
  pass_rows<Runner> rows_;
  std::uint32_t next_ = 0;  // step: embed, layers, none
};

}  // namespace decoder::gpu
