#include "decoder/beam_forward.hpp"

#include <algorithm>
#include <cstring>

namespace decoder {

void beam_forward::start(const beam_step& step, const prompt_views& prompts, const kvstrata::page_table_view& scratch)
{
  check(model_->options(), model_->shape(), step, prompts, scratch);
  const config& c = model_->options();
  step_ = step;
  prompts_.assign(prompts.parts().begin(), prompts.parts().end());
  own_ = scratch;
  positions_.clear();
  seen_.clear();
  first_rows_.assign(1, 0);
  for (std::size_t r = 0; r < step.widths.size(); ++r) {
    positions_.insert(positions_.end(), step.widths[r], prompts.tokens(r) + step.step);
    seen_.insert(seen_.end(), step.widths[r], prompts_.back().tokens(r));
    first_rows_.push_back(positions_.size());
  }
  rows_.start(positions_);
  lse_.reserve(positions_.size() * c.heads);
  merged_.reserve(model_->crew().size() * c.head_dim);
  for (std::size_t row = 0; row < positions_.size(); ++row) {
    const float* const from =
        step.step == 0 ? model_->parameters().start.data()
                       : model_->parameters().tokens[step.step - 1].data() + std::size_t{step.tokens[row]} * c.hidden;
    std::copy_n(from, c.hidden, rows_.state(row));
  }
}

void beam_forward::layer(std::uint32_t layer)
{
  const config& c = model_->options();
  const std::size_t own = step_.step + std::size_t{1};
  const std::size_t bytes = own_.shape.key_bytes();
  const std::size_t width = width_of(c);
  rows_.project(layer);
  for (std::size_t r = 0; r < step_.widths.size(); ++r) {
    for (std::size_t row = first_rows_[r]; row < first_rows_[r + 1]; ++row) {
      std::byte* const key = own_.key(layer, r, step_.own_rows[row * own + step_.step]);
      std::memcpy(key, rows_.keys(row), bytes);
      std::memcpy(key + own_.value_offset(), rows_.values(row), bytes);
    }
  }
  const std::span<const kvstrata::page_table_view> fronts = std::span(prompts_).first(prompts_.size() - 1);
  std::fill(read_.begin(), read_.end(), kvstrata::beam_traffic{});
  model_->crew().each(step_.widths.size() * c.heads, [&](std::size_t item, std::size_t member) {
    const std::size_t r = item / c.heads;
    const auto head = static_cast<std::uint32_t>(item % c.heads);
    const std::size_t first = first_rows_[r];
    const std::size_t count = first_rows_[r + 1] - first;
    if (count == 0) return;
    const std::size_t at = std::size_t{head} * c.head_dim;
    const state_rows states{rows_.attended() + first * width + at, width,
                            lse_.data() + head * positions_.size() + first};
    const query_rows queries{rows_.queries(first) + at, rows_.stride(), count};
    read_[member].prompt_bytes += attend_prompt(queries, std::span(seen_).subspan(first, count), fronts,
                                                prompts_.back(), layer, r, head, states, scratch_[member]);
    float* const part = merged_.data() + member * c.head_dim;
    for (std::size_t b = 0; b < count; ++b) {
      read_[member].own_bytes +=
          attend_own(queries.data + b * queries.stride, step_.own_rows.subspan((first + b) * own, own), own_, layer, r,
                     head, states[b], part);
    }
  });
  for (const kvstrata::beam_traffic& t : read_) traffic_ += t;
  rows_.finish(layer);
}

std::span<const float> beam_forward::logits()
{
  const std::size_t count = positions_.size() * model_->options().codebooks[step_.step];
  rows_.logits(step_.step, logits_.reserve(count));
  return {logits_.data(), count};
}

std::span<const float> beam_forward::run(const beam_step& step, const prompt_views& prompts,
                                         const kvstrata::page_table_view& scratch)
{
  start(step, prompts, scratch);
  for (std::uint32_t l = 0; l < model_->options().layers; ++l) layer(l);
  return logits();
}

}  // namespace decoder
