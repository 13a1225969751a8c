// A pass over the beams of a batch, one step of all requests in lockstep: staged attention over prompts in pages, which beams
// share, and over beams' own tokens in scratch; logits of the next level.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/beam_step.hpp"
#include "decoder/model.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/beams/move_rows.hpp>
#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// A pass keeps its memory from step to step and from batch to batch. start(), layer(0), ..., layer(layers - 1), logits(); layer(l) reads
/// and writes K and V of that layer alone. One thread at a time; every step blocks its caller and uses the model's crew.
class beam_forward
{
 public:
  using source = const model;  ///< what beam_search makes one of

  explicit beam_forward(const model& m) : model_(&m), rows_(m), scratch_(m.crew().size()), read_(m.crew().size()) {}

  /// Request r of all views is request r of the step: its prompt, wholly in pages, and its scratch, whose window begins
  /// at 0. What `step` and the views point to must stay until logits(). Throws kvstrata::geometry_error where a view is of
  /// another shape, kvstrata::usage_error where the step contradicts itself or the views.
  void start(const beam_step& step, const prompt_views& prompts, const kvstrata::page_table_view& scratch);
  void layer(std::uint32_t layer);
  /// [rows][codebook of level `step`]. Valid until the next start().
  [[nodiscard]] std::span<const float> logits();
  /// All of it.
  [[nodiscard]] std::span<const float> run(const beam_step& step, const prompt_views& prompts,
                                           const kvstrata::page_table_view& scratch);

  [[nodiscard]] const config& options() const noexcept { return model_->options(); }
  /// What a layout wants moved behind a step: kvstrata::move_rows.
  static std::uint64_t move(const kvstrata::page_table_view& scratch, std::size_t request,
                            std::span<const kvstrata::beam_move> moves)
  {
    return kvstrata::move_rows(scratch, request, moves);
  }

  /// What was read since it was made.
  [[nodiscard]] const kvstrata::beam_traffic& traffic() const noexcept { return traffic_; }

 private:
  const model* model_;
  beam_step step_;
  std::vector<kvstrata::page_table_view> prompts_;  // the parts
  kvstrata::page_table_view own_;
  std::vector<std::uint32_t> positions_;  // [rows]
  std::vector<std::uint32_t> seen_;       // [rows] tokens of the last part of the row's prompt
  std::vector<std::size_t> first_rows_;   // [requests + 1]
  row_stack rows_;
  hstu::buffer lse_;                          // [heads][rows]
  hstu::buffer logits_;                       // [rows][codebook]
  hstu::buffer merged_;                       // [members][head_dim]
  std::vector<stage_scratch> scratch_;        // of the crew's members
  std::vector<kvstrata::beam_traffic> read_;  // of the crew's members
  kvstrata::beam_traffic traffic_;
};

}  // namespace decoder
