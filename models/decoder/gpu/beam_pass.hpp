// A pass over the beams of a batch on a device: what beam_forward is on the CPU. beam_search takes either.
#pragma once

#include "decoder/beam_step.hpp"
#include "decoder/gpu/move_rows.hpp"
#include "decoder/gpu/pass_rows.hpp"

#include <kvstrata/beams/concepts.hpp>
#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

namespace decoder::gpu {

/// start(), layer(0), ..., layer(layers - 1), logits() queue a step on the lane's stream and do not block, but start() until the lane's
/// last pass is over; logits_sync() waits. From start() to logits() the lane is its own. One thread at a time.
template <runner Runner>
class beam_pass
{
 public:
  using source = lane<Runner>;  ///< what beam_search makes one of

  explicit beam_pass(lane<Runner>& on) : on_(on), rows_(on) {}
  beam_pass(const beam_pass&) = delete;
  beam_pass& operator=(const beam_pass&) = delete;
  ~beam_pass() { leave(); }

  [[nodiscard]] const config& options() const noexcept { return on_.parameters.options(); }

  /// As beam_forward::start(), but that the step and the views' arrays are read here and no more; K and V of prompts and of
  /// earlier steps are read when the stream comes there. Throws what it throws, kvstrata::usage_error while another pass has
  /// the lane.
  void start(const beam_step& step, const prompt_views& prompts, const kvstrata::page_table_view& scratch)
  {
    check(options(), on_.parameters.shape(), step, prompts, scratch);
    leave();
    next_ = 0;  // what was there is no more
    on_.await_turn();
    plan(step, prompts, scratch);
    level_ = step.step;
    scratch_ = scratch;
    rows_.reserve(prompts.parts(), scratch, options().codebooks[level_]);
    read_ = 0;
    for (const stage_tile& t : on_.plan.tiles) {
      for (const kvstrata::page_table_view& part : prompts.parts()) {
        read_ += part.tokens(t.request) - part.first_token(t.request);
      }
    }
    on_.taken = mine_ = true;
    next_ = 0;
    if (!on_.plan.tokens.empty()) rows_.embed();
  }
  void layer(kvstrata::layer_index l)  ///< throws kvstrata::usage_error out of turn, as the next
  {
    require_turn(l, "layer(" + std::to_string(l) + ")");
    ++next_;
    if (on_.plan.tokens.empty()) return;
    rows_.project(l, scratch_, false);
    rows_.attend(l);
    rows_.finish(l);
    const std::uint64_t token = 2 * scratch_.shape.key_bytes();
    traffic_.prompt_bytes += read_ * token;
    traffic_.own_bytes += on_.plan.own_rows.size() * token;
  }
  void logits()
  {
    require_turn(options().layers, "logits()");
    rows_.logits(level_);
    leave();
    ++next_;
  }
  /// Blocks the host until they are there: [rows][codebook of the step's level]. They stay until the lane's next pass. Throws
  /// kvstrata::usage_error before logits(), kvstrata::device_error when the device has failed.
  [[nodiscard]] std::span<const float> logits_sync() const
  {
    if (next_ != options().layers + 1) throw kvstrata::usage_error("logits() has not been called, so there are none");
    on_.device().wait_sync(on_.last);
    return rows_.host_logits();
  }
  /// The same in memory of the device, for what is queued behind on the lane's stream, as gpu::select.
  [[nodiscard]] const float* device_logits() const { return rows_.device_logits(); }

  /// All of it, and waits.
  [[nodiscard]] std::span<const float> run(const beam_step& step, const prompt_views& prompts,
                                           const kvstrata::page_table_view& scratch)
  {
    start(step, prompts, scratch);
    for (kvstrata::layer_index l = 0; l < options().layers; ++l) layer(l);
    logits();
    return logits_sync();
  }

  /// As kvstrata::move_rows, in the memory of the device, behind what is queued on the lane's stream; blocks until it is done where
  /// there is something to move. Between logits() and the next start().
  std::uint64_t move(const kvstrata::page_table_view& scratch, std::size_t request,
                     std::span<const kvstrata::beam_move> moves);

  /// What was read since it was made: a prompt once for each 64 of its beams.
  [[nodiscard]] const kvstrata::beam_traffic& traffic() const noexcept { return traffic_; }

 private:
  void plan(const beam_step& step, const prompt_views& prompts, const kvstrata::page_table_view& scratch)
  {
    row_plan& plan = on_.plan;
    plan.clear();
    plan.own = step.step + 1;
    plan.own_rows.assign(step.own_rows.begin(), step.own_rows.end());
    for (std::size_t r = 0; r < step.widths.size(); ++r) {
      const std::uint32_t first = plan.rows();
      for (std::uint32_t b = 0; b < step.widths[r]; ++b) {
        const std::size_t row = plan.rows();
        const std::uint32_t newest = step.own_rows[row * plan.own + step.step];
        plan.add(
            step.step == 0 ? on_.parameters.start_row() : on_.parameters.token_row(step.step - 1, step.tokens[row]),
            prompts.tokens(r) + step.step, r, static_cast<std::uint64_t>(scratch.key(0, r, newest) - scratch.base));
      }
      plan.add_tiles(r, first, prompts.parts().back().first_token(r), prompts.parts().back().tokens(r));
    }
    plan.close();
  }
  void leave() noexcept
  {
    if (mine_) on_.give_back();
    mine_ = false;
  }
  void require_turn(std::uint32_t step, const std::string& call) const
  {
    if (mine_ && next_ == step) return;
    throw kvstrata::usage_error(call + " was called, but " +
                                (!mine_                     ? std::string("start() comes first")
                                 : next_ < options().layers ? "layer " + std::to_string(next_) + " is next"
                                                            : std::string("logits() is next")));
  }

  lane<Runner>& on_;
  pass_rows<Runner> rows_;
  kvstrata::page_table_view scratch_;  // its arrays are not read after start()
  std::uint32_t level_ = 0;
  std::uint64_t read_ = 0;  // tokens of prompts, by a layer of the step
  std::uint32_t next_ = 0;  // step: layers, logits, none
  bool mine_ = false;       // the lane
  hstu::gpu::growing_memory<typename Runner::device_type> moves_host_, moves_device_;
  kvstrata::beam_traffic traffic_;
};

template <runner Runner>
std::uint64_t beam_pass<Runner>::move(const kvstrata::page_table_view& scratch, std::size_t request,
                                      std::span<const kvstrata::beam_move> moves)
{
  if (moves.empty()) return 0;
  if (mine_) throw kvstrata::usage_error("move() was called in the midst of a step; it comes behind logits()");
  const std::span<const kvstrata::page_id> pages = scratch.pages(request);
  const std::int32_t origin = 0;
  hstu::gpu::sections all;
  section<kvstrata::beam_move> listed;
  section<kvstrata::page_id> ids;
  section<std::int32_t> origins;
  all.add(listed, moves.size());
  all.add(ids, pages.size());
  all.add(origins, 1);
  std::byte* const host = moves_host_.reserve(on_.device(), true, all.bytes, "moves of beams, host");
  std::byte* const device = moves_device_.reserve(on_.device(), false, all.bytes, "moves of beams, device");
  std::copy(moves.begin(), moves.end(), listed.in(host).begin());
  std::copy(pages.begin(), pages.end(), ids.in(host).begin());
  origins.in(host)[0] = origin;
  on_.device().copy(on_.stream, kvstrata::copy_direction::to_device, device, host, all.bytes);
  move_rows_kernel k;
  k.scratch = kvstrata::layer_of(scratch, 0, ids.at(device), kvstrata::page_origins{origins.at(device)});
  k.layer_stride = scratch.where.layer_stride;
  k.moves = listed.at(device);
  k.count = static_cast<std::uint32_t>(moves.size());
  k.last_row = scratch.shape.layers * 2 * k.pieces();
  on_.machine().launch(on_.stream, "move beams", k);
  on_.last = on_.device().record(on_.stream);
  on_.device().wait_sync(on_.last);
  const std::uint64_t rows =
      std::accumulate(moves.begin(), moves.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const kvstrata::beam_move& m) { return sum + m.rows; });
  return rows * 2 * scratch.shape.key_bytes() * scratch.shape.layers;
}

}  // namespace decoder::gpu
