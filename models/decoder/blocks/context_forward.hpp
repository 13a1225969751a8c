// A pass over a context that was put together from blocks: computes the context's own tokens, and of the blocks' what a selector
// chooses; takes the rest as it is. The answer is approximate, and its type says so.
//
//   layers         rows
//   0              all of the context where the selector has something to read (attention, changes), else as below
//   1              of all rows K and V alone, to compare them with the blocks', where it reads changes
//   others         own tokens and chosen ones; the last layer, the last token alone
//
// Rows stand at their true positions, and see keys in front of them alone.
#pragma once

#include "decoder/attention.hpp"
#include "decoder/blocks/block_positions.hpp"
#include "decoder/blocks/dense_rows.hpp"
#include "decoder/model.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/assembly/approximate.hpp>
#include <kvstrata/assembly/assembled_view.hpp>
#include <kvstrata/recompute/choose.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace decoder {

/// A context to compute. It ends with a token of its own: behind that one the next is asked for.
struct context_to_compute
{
  std::span<const std::uint32_t> words;              ///< [context] (blocks/vocabulary.hpp)
  std::span<const kvstrata::reused_block> blocks{};  ///< as the assembler has them
  kvstrata::recompute_shares shares{};
  std::span<const kvstrata::token_interval> always{};  ///< in blocks, and computed anew whatever the selector says
  bool exact =
      false;  ///< request::exact: who would reuse what is not exact here is refused, before anything is computed
              ///< on top of it
};

/// What a pass has done, in rows.
struct context_work
{
  std::uint64_t whole_rows = 0;      ///< through whole layers
  std::uint64_t projected_rows = 0;  ///< whose K and V were computed to be compared, and nothing else
};

/// Says what is computed anew: the intervals, ascending. To be handed to the assembler, whose view is the answer, valid until the
/// pass is over.
using take_chosen = std::function<kvstrata::assembled_view(std::span<const kvstrata::token_interval>)>;

/// start(), layer(0), ..., layer(layers - 1), logits(). layer(l) reads K and V of layer l out of the blocks, which must be there
/// (and copied where the policy wants that), and writes rows of scratch alone. With a selector that reads nothing what is
/// chosen is known in start(), else in layer(1), which also writes layer 0 of the rows chosen.
///
/// One thread at a time; every step blocks its caller and uses the model's crew.
class context_forward
{
 public:
  context_forward(const model& m, const block_positions& positions)
      : model_(&m), positions_of_(&positions), rows_(m), dense_(m), scratch_(m.crew().size())
  {
  }

  /// Throws kvstrata::config_error for shares that are none, kvstrata::usage_error for a selector that reads layer 1 of a decoder with
  /// one layer, and where exact tokens are asked for and some would not be (from layer(1), where the selector reads something),
  /// kvstrata::history_error for a context without tokens, of too many, with words that are none, that ends within a block,
  /// or whose blocks are not ascending in it. What the arguments point to must stay until logits().
  template <kvstrata::token_selector S>
  void start(const context_to_compute& context, const S& selector, take_chosen take)
  {
    begin(context, S::reads_attention, S::reads_changes, std::move(take));
    chosen_ = [this, selector]() {
      return chooser_.choose(selector, readings(), context_.shares,
                             static_cast<kvstrata::token_count>(context_.words.size()), context_.always);
    };
    if (!reads()) choose();
  }

  void layer(std::uint32_t layer);

  /// Of the tokens of a level behind the context: [codebook]. Valid until the next start().
  [[nodiscard]] kvstrata::approximate<std::span<const float>> logits(std::uint32_t level);

  /// Valid from start() on, or from layer(1) where the selector reads something.
  [[nodiscard]] const kvstrata::reuse_report& report() const noexcept { return report_; }
  [[nodiscard]] const kvstrata::assembled_view& view() const noexcept { return view_; }
  /// Of this context so far.
  [[nodiscard]] const context_work& work() const noexcept { return work_; }

 private:
  void begin(const context_to_compute& context, bool attention, bool changes, take_chosen take);
  void take(std::span<const kvstrata::token_interval> anew);
  void choose();
  [[nodiscard]] bool reads() const noexcept { return reads_attention_ || reads_changes_; }
  void read_changes(std::uint32_t layer);
  void write_rows(std::uint32_t layer);
  void write_first_layer();
  void sum_received();
  void attend(std::uint32_t layer);
  [[nodiscard]] kvstrata::token_readings readings() const noexcept
  {
    return {.blocks = context_.blocks, .attention = attention_, .keys = key_changes_, .values = value_changes_};
  }

  const model* model_;
  const block_positions* positions_of_;
  context_to_compute context_;
  bool reads_attention_ = false, reads_changes_ = false;
  take_chosen take_;
  std::function<std::span<const kvstrata::token_interval>()> chosen_;
  kvstrata::token_chooser chooser_;
  kvstrata::assembled_view view_;
  bool has_chosen_ = false;
  kvstrata::reuse_report report_;
  context_work work_;
  std::vector<std::uint32_t> positions_;                             // [rows]
  std::vector<std::uint32_t> seen_;                                  // [rows] positions + 1
  std::vector<std::uint32_t> kept_;                                  // rows that go on
  std::vector<float> attention_;                                     // [context]
  std::vector<float> received_;                                      // [heads][context]
  std::vector<kvstrata::token_change> key_changes_, value_changes_;  // [context]
  row_stack rows_;
  dense_rows dense_;
  hstu::buffer key_;     // [D]
  hstu::buffer lse_;     // [heads][rows]
  hstu::buffer logits_;  // [codebook]
  std::vector<stage_scratch> scratch_;
};

}  // namespace decoder
