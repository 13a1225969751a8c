// A pass over histories: computes K and V of tokens that are not in their pages yet. What beams attend to.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/model.hpp"
#include "decoder/prompt.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// embed(), layer(0), ..., layer(layers - 1), in steps that a caller can put onto a stream one by one. layer(l) reads K and V of
/// layer l of the tokens outside the compute lists from the pages, and writes those of the tokens in them; it touches
/// no other layer and no other byte. What is written does not depend on which tokens were there already, within f32 rounding.
///
/// One thread at a time; every step blocks its caller until it is done and uses the model's crew.
class prompt_forward
{
 public:
  /// Prompt r owns request r of the view. `fronts` are the parts in front of it, whose K and V must be in their pages: layer(l) reads
  /// those of layer l. Throws kvstrata::geometry_error when the view is of another shape,
  /// kvstrata::history_error when a prompt contradicts itself or the view, or has a token outside its codebook. What the
  /// arguments point to must stay until the last step has run.
  prompt_forward(const model& m, std::span<const prompt> prompts, const kvstrata::page_table_view& view,
                 const prompt_views& fronts = {});

  /// Tokens that are computed.
  [[nodiscard]] std::size_t rows() const noexcept { return positions_.size(); }
  void embed();
  void layer(std::uint32_t layer);
  /// All of it.
  void run();

 private:
  const model* model_;
  std::span<const prompt> prompts_;
  kvstrata::page_table_view view_;
  std::vector<std::uint32_t> positions_;  // [rows]
  std::vector<kvstrata::page_table_view> fronts_;
  std::vector<std::uint32_t> tokens_;    // [rows] numbers within the prompt
  std::vector<std::uint32_t> seen_;      // [rows] those + 1
  std::vector<std::size_t> first_rows_;  // [prompts + 1]
  row_stack rows_;
  hstu::buffer lse_;                    // [heads][rows]
  std::vector<stage_scratch> scratch_;  // of the crew's members
};

}  // namespace decoder
