// A pass over the beams of a batch, one step of all requests in lockstep: staged attention over prompts in pages, which beams
// share, and over beams' own tokens in scratch; logits of the next level.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/model.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// One step of a batch. Its rows are the beams of request 0, then those of request 1, and so on.
struct beam_step
{
  std::uint32_t step = 0;                 ///< 0: the start token; s: the token of level s - 1
  std::span<const std::uint32_t> widths;  ///< [requests] beams now; 0: a request that is done
  std::span<const std::uint32_t> tokens;  ///< [rows] the beams' newest tokens; unused at step 0
  std::span<const std::uint32_t>
      own_rows;  ///< [rows][step + 1] where in scratch the tokens of each beam's line lie, by step;
                 ///< the last is written now
};

/// A pass keeps its memory from step to step and from batch to batch. start(), layer(0), ..., layer(layers - 1), logits(); layer(l) reads
/// and writes K and V of that layer alone. One thread at a time; every step blocks its caller and uses the model's crew.
class beam_forward
{
 public:
  explicit beam_forward(const model& m) : model_(&m), rows_(m), scratch_(m.crew().size()), read_(m.crew().size()) {}

  /// Request r of both views is request r of the step: its history, wholly in pages, and its scratch, whose window begins
  /// at 0. What `step` and the views point to must stay until logits(). Throws kvstrata::geometry_error where a view is of
  /// another shape, kvstrata::usage_error where the step contradicts itself or the views.
  void start(const beam_step& step, const kvstrata::page_table_view& prompts, const kvstrata::page_table_view& scratch);
  void layer(std::uint32_t layer);
  /// [rows][codebook of level `step`]. Valid until the next start().
  [[nodiscard]] std::span<const float> logits();
  /// All of it.
  [[nodiscard]] std::span<const float> run(const beam_step& step, const kvstrata::page_table_view& prompts,
                                           const kvstrata::page_table_view& scratch);

  /// What was read since it was made.
  [[nodiscard]] const kvstrata::beam_traffic& traffic() const noexcept { return traffic_; }

 private:
  const model* model_;
  beam_step step_;
  kvstrata::page_table_view prompts_;
  kvstrata::page_table_view own_;
  std::vector<std::uint32_t> positions_;  // [rows]
  std::vector<std::uint32_t> seen_;       // [rows] tokens of the row's prompt
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
