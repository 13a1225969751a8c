// HSTU over a context that was put together from blocks: the model's own pass on one page table (kvstrata/assembly/paged_context.hpp),
// told to compute the context's own tokens, and of the blocks' what a selector chooses. K carries no position here, so blocks serve any
// place as they are; biases by distance and by time are those of true positions and times. The answer is approximate, and its type says so.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/model.hpp"

#include <kvstrata/assembly/approximate.hpp>
#include <kvstrata/assembly/paged_context.hpp>
#include <kvstrata/recompute/choose.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace hstu {

/// A context to compute.
struct context_to_compute
{
  std::span<const float> inputs;  ///< [context][hidden] what enters the first layer; no position in it
  std::span<const kvstrata::reused_block> blocks{};  ///< as they were put together
  kvstrata::recompute_shares shares{};
  std::span<const float> candidate_inputs{};  ///< [candidates][hidden] who see all of the context
  bool exact = false;                         ///< request::exact: who would reuse what is not exact here is refused
  std::span<const kvstrata::token_interval> always{};  ///< in blocks, and computed anew whatever the selector says
  std::span<const std::int64_t> times{};  ///< [events] seconds, ascending, where the model's biases go by time
  std::int64_t time = 0;                  ///< seconds; the candidates'
  bool last_state = false;                ///< asked for: last_state()
};

/// What a pass has done, in rows of the context.
struct context_work
{
  std::uint64_t whole_rows = 0;      ///< through whole layers
  std::uint64_t projected_rows = 0;  ///< whose K and V alone were computed
};

/// Contexts one after the other. A selector that reads something costs a pass over all of the context before: layer 0, and K and V
/// of layer 1, in memory of its own, with the weights of these layers once more. One thread at a time; blocks its caller and uses
/// the model's crew.
class context_forward
{
 public:
  /// Throws kvstrata::config_error where the model makes inputs of tables (token_inputs::tables), with positions in them. With biases
  /// by time a block is right where its tokens are as far apart as where it was encoded, as a user's own events are.
  explicit context_forward(const model& m);

  /// All of it. `context` was put together from blocks whose words are in `inputs`; before(l) is called before anything of layer l is
  /// read. Throws kvstrata::config_error for shares that are none, kvstrata::usage_error for a selector that reads layer 1 of a model with
  /// one layer, and where exact tokens are asked for and some would not be, kvstrata::history_error for inputs or times of another size than
  /// the context.
  template <kvstrata::token_selector S, class Before>
  void run(const context_to_compute& what, const S& selector, kvstrata::paged_context& context, Before&& before)
  {
    begin(what, context, S::reads_attention || S::reads_changes);
    if (S::reads_attention || S::reads_changes) {
      probe(what);
      if (S::reads_attention) read_attention(what);
      if (S::reads_changes) {
        before(1);
        static_cast<void>(context.copy_rows(1));
        read_changes(what, context);
      }
    }
    const kvstrata::token_readings readings{
        .blocks = what.blocks, .attention = attention_, .keys = key_changes_, .values = value_changes_};
    start(what, context, chooser_.choose(selector, readings, what.shares, tokens_of(what), what.always));
    for (kvstrata::layer_index l = 0; l < model_->options().layers; ++l) {
      before(l);
      static_cast<void>(context.copy_rows(l));
      pass_->layer(l);
    }
    pass_->head();
  }

  /// Of the candidates, [candidates][tasks]. Valid until the next run().
  [[nodiscard]] kvstrata::approximate<std::span<const float>> scores() const { return {pass_->scores(), report_}; }
  /// Of the context's last token, [hidden], where it was asked for. Likewise.
  [[nodiscard]] kvstrata::approximate<std::span<const float>> last_state() const
  {
    return {pass_->last_state(0), report_};
  }
  [[nodiscard]] const kvstrata::reuse_report& report() const noexcept { return report_; }
  [[nodiscard]] const context_work& work() const noexcept { return work_; }

 private:
  [[nodiscard]] kvstrata::token_count tokens_of(const context_to_compute& what) const noexcept
  {
    return static_cast<kvstrata::token_count>(what.inputs.size() / model_->options().hidden);
  }
  void begin(const context_to_compute& what, kvstrata::paged_context& context, bool reads);
  void probe(const context_to_compute& what);
  void read_attention(const context_to_compute& what);
  void read_changes(const context_to_compute& what, const kvstrata::paged_context& context);
  void start(const context_to_compute& what, kvstrata::paged_context& context,
             std::span<const kvstrata::token_interval> anew);
  [[nodiscard]] kvstrata::page_table_view probe_view() const noexcept;

  const model* model_;
  std::unique_ptr<model> first_layers_;  // of a probe
  kvstrata::page_table probe_table_;
  buffer probe_kv_;  // [2 layers][K, V][context][D]
  kvstrata::token_count probe_tokens_ = 0;
  kvstrata::token_chooser chooser_;
  std::vector<float> attention_;
  std::vector<kvstrata::token_change> key_changes_, value_changes_;
  std::vector<float> inputs_;  // of what is computed
  request request_;
  std::optional<batch_forward> pass_;
  kvstrata::reuse_report report_;
  context_work work_;
};

}  // namespace hstu
