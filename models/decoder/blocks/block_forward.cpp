#include "decoder/blocks/block_forward.hpp"

#include "decoder/blocks/vocabulary.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/position/turn_keys.hpp>

#include <algorithm>
#include <cstring>
#include <string>

namespace decoder {

void block_forward::start(std::span<const block_to_encode> blocks)
{
  const config& c = model_->options();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const block_to_encode& block = blocks[b];
    const std::string what = "block " + std::to_string(b);
    if (block.pages.shape != model_->shape()) {
      throw kvstrata::geometry_error("the pages of " + what + " are of " + to_string(block.pages.shape) +
                                     ", but the decoder is of " + to_string(model_->shape()));
    }
    if (block.pages.first_token(block.request) != 0 || block.pages.tokens(block.request) != block.words.size()) {
      throw kvstrata::history_error(what + " has " + std::to_string(block.words.size()) +
                                    " tokens, but its pages are of " +
                                    std::to_string(block.pages.tokens(block.request)));
    }
    if (block.words.size() > positions_of_->size()) {
      throw kvstrata::history_error(what + " has " + std::to_string(block.words.size()) +
                                    " tokens, but positions are for contexts of " +
                                    std::to_string(positions_of_->size()));
    }
    for (std::size_t t = 0; t < block.words.size(); ++t) {
      if (block.words[t] <= start_word(c)) continue;
      throw kvstrata::history_error("token " + std::to_string(t) + " of " + what + " is word " +
                                    std::to_string(block.words[t]) + ", but the last is " +
                                    std::to_string(start_word(c)));
    }
  }
  blocks_ = blocks;
  first_rows_.assign(1, 0);
  positions_.clear();
  for (const block_to_encode& block : blocks) {
    for (std::uint32_t t = 0; t < block.words.size(); ++t) positions_.push_back(t);
    first_rows_.push_back(positions_.size());
  }
}

void block_forward::embed()
{
  const config& c = model_->options();
  rows_.start(positions_);
  dense_.start(first_rows_);
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    for (std::size_t t = 0; t < blocks_[b].words.size(); ++t) {
      std::copy_n(embedding_of(c, model_->parameters(), blocks_[b].words[t]), c.hidden,
                  rows_.state(first_rows_[b] + t));
    }
  }
}

void block_forward::layer(std::uint32_t layer)
{
  const kvstrata::geometry shape = model_->shape();
  const kvstrata::read_angles kept = positions_of_->kept();
  rows_.project_unturned(layer);
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    for (std::uint32_t t = 0; t < blocks_[b].words.size(); ++t) {
      std::byte* const key = blocks_[b].pages.key(layer, blocks_[b].request, t);
      const auto* const mine = reinterpret_cast<const std::byte*>(rows_.keys(first_rows_[b] + t));
      turn_keys(shape, mine, key, 1, kept.cosines_at(t), kept.sines_at(t));
      std::memcpy(key + blocks_[b].pages.value_offset(), rows_.values(first_rows_[b] + t), shape.key_bytes());
    }
  }
  if (layer + 1 == model_->options().layers) return;  // nobody needs more of a block's own tokens
  rows_.turn();
  dense_.take(rows_);
  dense_.attend(rows_);
  rows_.finish(layer);
}

void block_forward::run(std::span<const block_to_encode> blocks)
{
  start(blocks);
  embed();
  for (std::uint32_t l = 0; l < model_->options().layers; ++l) layer(l);
}

}  // namespace decoder
