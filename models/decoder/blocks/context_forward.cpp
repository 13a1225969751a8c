#include "decoder/blocks/context_forward.hpp"

#include "decoder/attention_tiles.hpp"
#include "decoder/blocks/vocabulary.hpp"
#include "decoder/loops/loops.hpp"

#include "hstu/elementwise.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

namespace decoder {
namespace {

void check(const config& c, const context_to_compute& context, kvstrata::token_count most)
{
  const std::size_t tokens = context.words.size();
  if (tokens == 0) throw kvstrata::history_error("a context must have at least 1 token");
  if (tokens > most) {
    throw kvstrata::history_error("a context has " + std::to_string(tokens) + " tokens, but positions are for " +
                                  std::to_string(most));
  }
  for (std::size_t p = 0; p < tokens; ++p) {
    if (context.words[p] <= start_word(c)) continue;
    throw kvstrata::history_error("token " + std::to_string(p) + " of a context is word " +
                                  std::to_string(context.words[p]) + ", but the last is " +
                                  std::to_string(start_word(c)));
  }
  std::size_t free = 0;
  for (const kvstrata::reused_block& b : context.blocks) {
    if (b.start < free || b.tokens > tokens || b.start > tokens - b.tokens) {
      throw kvstrata::history_error(
          "a block is at [" + std::to_string(b.start) + ", " + std::to_string(std::uint64_t{b.start} + b.tokens) +
          "), but blocks ascend within [" + std::to_string(free) + ", " + std::to_string(tokens) + ")");
    }
    free = b.start + b.tokens;
  }
  std::size_t least = 0;
  for (const kvstrata::token_interval i : context.always) {
    if (i.begin < least || i.end < i.begin || i.end > tokens) {
      throw kvstrata::history_error("the tokens [" + std::to_string(i.begin) + ", " + std::to_string(i.end) +
                                    ") are always computed anew, but intervals ascend within [" +
                                    std::to_string(least) + ", " + std::to_string(tokens) + ")");
    }
    least = i.end;
  }
  if (free == tokens && !context.blocks.empty()) {
    throw kvstrata::history_error("a context ends with a block, but what is behind it is asked of a token of its own");
  }
}

}  // namespace

void context_forward::begin(const context_to_compute& context, bool attention, bool changes, take_chosen take)
{
  const config& c = model_->options();
  check(context.shares);
  check(c, context, positions_of_->size());
  if ((attention || changes) && c.layers < 2) {
    throw kvstrata::usage_error("the selector reads layer 1, but the decoder has 1 layer");
  }
  context_ = context;
  reads_attention_ = attention;
  reads_changes_ = changes;
  take_ = std::move(take);
  has_chosen_ = false;
  work_ = {};
  const std::size_t tokens = context.words.size();
  attention_.assign(attention ? tokens : 0, 0.0F);
  received_.assign(attention ? tokens * c.heads : 0, 0.0F);
  key_changes_.assign(changes ? tokens : 0, {});
  value_changes_.assign(changes ? tokens : 0, {});
  key_.reserve(width_of(c));
  this->take({});
  positions_.resize(tokens);
  for (std::uint32_t p = 0; p < tokens; ++p) positions_[p] = p;
  rows_.start(positions_);
  for (std::size_t p = 0; p < tokens; ++p) {
    std::copy_n(embedding_of(c, model_->parameters(), context.words[p]), c.hidden, rows_.state(p));
  }
  if (!reads()) return;
  const std::size_t sequence[] = {0, tokens};
  dense_.start(sequence);
}

void context_forward::take(std::span<const kvstrata::token_interval> anew)
{
  view_ = take_(anew);
  if (view_.overlay.shape != model_->shape()) {
    throw kvstrata::geometry_error("the pages of a context are of " + to_string(view_.overlay.shape) +
                                   ", but the decoder is of " + to_string(model_->shape()));
  }
  const bool same =
      std::equal(view_.starts.begin(), view_.starts.end(), context_.blocks.begin(), context_.blocks.end(),
                 [](kvstrata::token_count start, const kvstrata::reused_block& b) { return start == b.start; });
  if (!same || view_.context != context_.words.size()) {
    throw kvstrata::usage_error("the context that was put together has other tokens or blocks than the one to compute");
  }
}

// From here on rows are what is computed.
void context_forward::choose()
{
  const auto anew = chosen_();
  report_ = kvstrata::report_of(context_.blocks, anew, static_cast<kvstrata::token_count>(context_.words.size()));
  if (context_.exact) kvstrata::require_exact(report_);
  take(anew);
  if (reads()) write_first_layer();
  kept_.clear();
  view_.each_computed([this](kvstrata::token_count p) { kept_.push_back(p); });
  rows_.keep(kept_);
  positions_ = kept_;
  seen_.resize(kept_.size());
  for (std::size_t row = 0; row < kept_.size(); ++row) seen_[row] = kept_[row] + 1;
  lse_.reserve(kept_.size() * model_->options().heads);
  has_chosen_ = true;
}

void context_forward::layer(std::uint32_t layer)
{
  const config& c = model_->options();
  if (layer == 0 && reads()) {
    rows_.project(0);
    dense_.take(rows_);
    dense_.attend(rows_, reads_attention_ ? received_.data() : nullptr);
    if (reads_attention_) sum_received();
    rows_.finish(0);
    work_.whole_rows += rows_.size();
    return;
  }
  bool projected = false;
  if (!has_chosen_) {
    if (reads_changes_) {
      rows_.project(layer);
      projected = true;
      read_changes(layer);
      work_.projected_rows += rows_.size();
    }
    choose();
    if (projected) work_.projected_rows -= rows_.size();
  }
  if (!projected) rows_.project(layer);
  write_rows(layer);
  work_.whole_rows += layer + 1 == c.layers ? 1 : rows_.size();
  if (layer + 1 == c.layers) {  // of the others nobody needs more
    work_.projected_rows += rows_.size() - 1;
    const std::uint32_t last[] = {static_cast<std::uint32_t>(rows_.size() - 1)};
    rows_.keep(last);
    seen_.assign(1, static_cast<std::uint32_t>(context_.words.size()));
  }
  attend(layer);
  rows_.finish(layer);
}

void context_forward::sum_received()
{
  const std::size_t tokens = context_.words.size();
  for (std::size_t head = 0; head < model_->options().heads; ++head) {
    best_loops().add_scaled(attention_.data(), received_.data() + head * tokens, 1.0F, tokens);
  }
}

void context_forward::read_changes(std::uint32_t layer)
{
  const config& c = model_->options();
  const std::size_t width = width_of(c);
  const kvstrata::read_angles turn = positions_of_->read();
  const auto change = [width](const float* mine, const float* theirs) {
    kvstrata::token_change out;
    for (std::size_t i = 0; i < width; ++i) {
      const float apart = mine[i] - theirs[i];
      out.squared += apart * apart;
      out.absolute += std::abs(apart);
    }
    return out;
  };
  for (const kvstrata::reused_block& b : context_.blocks) {
    view_.each_stretch(layer, b.start, b.start + b.tokens,
                       [&](kvstrata::token_count first, kvstrata::token_count count, const std::byte* keys, bool) {
                         for (kvstrata::token_count i = 0; i < count; ++i) {
                           const kvstrata::token_count p = first + i;
                           const std::byte* const at = keys + i * width * sizeof(float);
                           std::memcpy(key_.data(), at, width * sizeof(float));
                           for (std::size_t head = 0; turn.turn() && head < c.heads; ++head) {
                             best_loops().rotate(key_.data() + head * c.head_dim, turn.cosines_at(p), turn.sines_at(p),
                                                 c.head_dim / 2);
                           }
                           key_changes_[p] = change(rows_.keys(p), key_.data());
                           std::memcpy(key_.data(), at + view_.value_offset(), width * sizeof(float));
                           value_changes_[p] = change(rows_.values(p), key_.data());
                         }
                       });
  }
}

void context_forward::write_rows(std::uint32_t layer)
{
  const std::size_t bytes = model_->shape().key_bytes();
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    std::byte* const key = view_.overlay.key(layer, 0, static_cast<kvstrata::token_count>(row));
    std::memcpy(key, rows_.keys(row), bytes);
    std::memcpy(key + view_.value_offset(), rows_.values(row), bytes);
  }
}

void context_forward::write_first_layer()
{
  const std::size_t bytes = model_->shape().key_bytes();
  const kvstrata::page_table_view all = dense_.view();
  kvstrata::token_count row = 0;
  view_.each_computed([&](kvstrata::token_count p) {
    std::byte* const key = view_.overlay.key(0, 0, row++);
    std::memcpy(key, all.key(0, 0, p), bytes);
    std::memcpy(key + view_.value_offset(), all.key(0, 0, p) + all.value_offset(), bytes);
  });
}

void context_forward::attend(std::uint32_t layer)
{
  const config& c = model_->options();
  const std::size_t width = width_of(c);
  const kvstrata::read_angles turn = positions_of_->read();
  model_->crew().each(c.heads, [&](std::size_t head, std::size_t member) {
    const std::size_t at = head * c.head_dim;
    const auto gather = [&](float* keys, float* values, std::uint32_t from, std::uint32_t count) {
      const auto copy_rows = hstu::best_elementwise().copy_rows;
      view_.each_stretch(
          layer, from, from + count,
          [&](kvstrata::token_count first, kvstrata::token_count run, const std::byte* key, bool of_block) {
            float* const mine = keys + std::size_t{first - from} * c.head_dim;
            copy_rows(mine, reinterpret_cast<const float*>(key) + at, width, run, c.head_dim);
            copy_rows(values + std::size_t{first - from} * c.head_dim,
                      reinterpret_cast<const float*>(key + view_.value_offset()) + at, width, run, c.head_dim);
            if (!of_block || !turn.turn()) return;
            for (kvstrata::token_count i = 0; i < run; ++i) {
              best_loops().rotate(mine + std::size_t{i} * c.head_dim, turn.cosines_at(first + i),
                                  turn.sines_at(first + i), c.head_dim / 2);
            }
          });
    };
    attend_tiles({rows_.queries(0) + at, rows_.stride(), rows_.size()}, std::span(seen_).first(rows_.size()), 0,
                 c.head_dim, gather, {rows_.attended() + at, width, lse_.data() + head * rows_.size()},
                 scratch_[member]);
  });
}

kvstrata::approximate<std::span<const float>> context_forward::logits(std::uint32_t level)
{
  const std::size_t codebook = model_->options().codebooks[level];
  rows_.logits(level, logits_.reserve(codebook));
  return {std::span<const float>(logits_.data(), codebook), report_};
}

}  // namespace decoder
