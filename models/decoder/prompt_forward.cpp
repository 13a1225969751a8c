#include "decoder/prompt_forward.hpp"

#include <algorithm>
#include <cstring>

namespace decoder {

prompt_forward::prompt_forward(const model& m, std::span<const prompt> prompts, const kvstrata::page_table_view& view,
                               const prompt_views& fronts)
    : model_(&m),
      prompts_(prompts),
      view_(view),
      fronts_(fronts.parts().begin(), fronts.parts().end()),
      rows_(m),
      scratch_(m.crew().size())
{
  check(m.options(), m.shape(), prompts, view, fronts);
  first_rows_.push_back(0);
  for (std::size_t r = 0; r < prompts.size(); ++r) {
    for (const kvstrata::token_interval i : prompts[r].compute) {
      for (kvstrata::token_count t = i.begin; t < i.end; ++t) {
        positions_.push_back(fronts.tokens(r) + t);
        tokens_.push_back(t);
        seen_.push_back(t + 1);
      }
    }
    first_rows_.push_back(positions_.size());
  }
}

void prompt_forward::embed()
{
  const config& c = model_->options();
  rows_.start(positions_);
  lse_.reserve(positions_.size() * c.heads);
  for (std::size_t r = 0; r < prompts_.size(); ++r) {
    for (std::size_t row = first_rows_[r]; row < first_rows_[r + 1]; ++row) {
      const std::uint32_t at = positions_[row];
      const std::uint32_t token = prompts_[r].tokens[tokens_[row] - prompts_[r].first_token];
      const std::vector<float>& table = model_->parameters().tokens[at % depth_of(c)];
      std::copy_n(table.data() + std::size_t{token} * c.hidden, c.hidden, rows_.state(row));
    }
  }
}

void prompt_forward::layer(std::uint32_t layer)
{
  const config& c = model_->options();
  const std::size_t bytes = view_.shape.key_bytes();
  rows_.project(layer);
  for (std::size_t r = 0; r < prompts_.size(); ++r) {
    for (std::size_t row = first_rows_[r]; row < first_rows_[r + 1]; ++row) {
      std::byte* const key = view_.key(layer, r, tokens_[row]);
      std::memcpy(key, rows_.keys(row), bytes);
      std::memcpy(key + view_.value_offset(), rows_.values(row), bytes);
    }
  }
  if (layer + 1 == c.layers) return;  // nobody needs more of a history's own tokens

  const std::size_t width = width_of(c);
  model_->crew().each(prompts_.size() * c.heads, [&](std::size_t item, std::size_t member) {
    const std::size_t r = item / c.heads;
    const auto head = static_cast<std::uint32_t>(item % c.heads);
    const std::size_t first = first_rows_[r];
    const std::size_t count = first_rows_[r + 1] - first;
    if (count == 0) return;
    const std::size_t at = std::size_t{head} * c.head_dim;
    attend_prompt({rows_.queries(first) + at, rows_.stride(), count}, std::span(seen_).subspan(first, count), fronts_,
                  view_, layer, r, head,
                  {rows_.attended() + first * width + at, width, lse_.data() + head * positions_.size() + first},
                  scratch_[member]);
  });
  rows_.finish(layer);
}

void prompt_forward::run()
{
  embed();
  for (std::uint32_t l = 0; l < model_->options().layers; ++l) layer(l);
}

}  // namespace decoder
