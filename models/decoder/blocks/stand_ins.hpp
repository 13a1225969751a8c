// Tokens of a history by prototypes (kvstrata/prototypes/): the features that they are compared by, which tokens have one, and the
// pages of a block filled with their rows.
#pragma once

#include "decoder/blocks/block_forward.hpp"
#include "decoder/blocks/vocabulary.hpp"
#include "decoder/model.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace decoder {

/// What a token is compared by: its embedding, and half of what the token before it had. So where it stands counts: among which
/// tokens. (RcLLM speaks of a position-aware embedding, and does not tell which. This model's embeddings have no position in them, K
/// is turned where it is read.) [words][hidden]
inline void token_features(const model& m, std::span<const std::uint32_t> words, std::vector<float>& out)
{
  const std::size_t hidden = m.options().hidden;
  out.resize(words.size() * hidden);
  for (std::size_t t = 0; t < words.size(); ++t) {
    const float* const embedding = embedding_of(m.options(), m.parameters(), words[t]);
    for (std::size_t i = 0; i < hidden; ++i)
      out[t * hidden + i] = embedding[i] + (t == 0 ? 0.0F : 0.5F * out[(t - 1) * hidden + i]);
  }
}

/// Makes prototypes of a block's tokens, where they resemble none. The block is encoded, in pages of a policy that turns K where it is
/// read. Returns how many it made.
inline std::size_t learn_prototypes(kvstrata::prototype_pool& pool, const model& m, const block_to_encode& encoded)
{
  std::vector<float> features;
  token_features(m, encoded.words, features);
  const std::size_t hidden = m.options().hidden;
  std::size_t made = 0;
  for (std::size_t t = 0; t < encoded.words.size(); ++t) {
    made += pool.learn(std::span(features).subspan(t * hidden, hidden), encoded.pages, encoded.request,
                       static_cast<kvstrata::token_count>(t));
  }
  return made;
}

/// One thread at a time; any number of these may use one pool.
class stand_ins
{
 public:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  /// Throws kvstrata::usage_error where the pool's features or rows are not this model's.
  stand_ins(const model& m, const kvstrata::prototype_pool& pool) : model_(&m), pool_(&pool)
  {
    if (pool.index().options().dimensions != m.options().hidden) {
      throw kvstrata::usage_error("prototypes have " + std::to_string(pool.index().options().dimensions) +
                                  " dimensions, but a token of this decoder has " + std::to_string(m.options().hidden));
    }
    if (pool.shape() != m.shape()) {
      throw kvstrata::usage_error("prototypes are of " + to_string(pool.shape()) + ", but the decoder is of " +
                                  to_string(m.shape()));
    }
  }

  /// The pool's: blocks that are filled have it as theirs.
  [[nodiscard]] std::uint64_t version() const noexcept { return pool_->version(); }
  /// The prototype of each token, or none. Valid until the next call of this or of lacking() or start().
  [[nodiscard]] std::span<const std::uint32_t> find(std::span<const std::uint32_t> words)
  {
    numbers_.clear();
    append(words);
    return numbers_;
  }

  /// The tokens without a prototype, which must be computed wherever the block is used, are appended to `to`, as a block's tokens
  /// that stand from `start` on.
  void lacking(std::span<const std::uint32_t> words, kvstrata::token_count start,
               std::vector<kvstrata::token_interval>& to)
  {
    for (const std::uint32_t number : find(words)) {
      if (number == none) {
        if (!to.empty() && to.back().end == start) ++to.back().end;
        else to.push_back({start, start + 1});
      }
      ++start;
    }
  }

  /// The blocks to fill, layer by layer, until the next call of this, find() or lacking(); they must stay until then. Throws kvstrata::history_error for pages of another number of tokens.
  void start(std::span<const block_to_encode> blocks)
  {
    for (const block_to_encode& b : blocks) {
      if (b.pages.first_token(b.request) == 0 && b.pages.tokens(b.request) == b.words.size()) continue;
      throw kvstrata::history_error("a block has " + std::to_string(b.words.size()) + " tokens, but its pages are of " +
                                    std::to_string(b.pages.tokens(b.request)));
    }
    blocks_ = blocks;
    numbers_.clear();
    for (const block_to_encode& b : blocks) append(b.words);
  }
  /// Rows of tokens without a prototype are zeros.
  void fill(kvstrata::layer_index layer) const
  {
    auto number = numbers_.begin();
    for (const block_to_encode& b : blocks_) {
      for (kvstrata::token_count t = 0; t < b.words.size(); ++t, ++number) {
        if (*number != none) {
          pool_->copy(*number, layer, b.pages, b.request, t);
          continue;
        }
        std::byte* const key = b.pages.key(layer, b.request, t);
        std::memset(key, 0, b.pages.shape.key_bytes());
        std::memset(key + b.pages.value_offset(), 0, b.pages.shape.key_bytes());
      }
    }
  }

 private:
  void append(std::span<const std::uint32_t> words)
  {
    for (const std::uint32_t word : words) {
      if (word <= start_word(model_->options())) continue;
      throw kvstrata::history_error("a token is word " + std::to_string(word) + ", but the last is " +
                                    std::to_string(start_word(model_->options())));
    }
    token_features(*model_, words, features_);
    const std::size_t hidden = model_->options().hidden;
    for (std::size_t t = 0; t < words.size(); ++t) {
      const auto near = pool_->index().nearest(std::span(features_).subspan(t * hidden, hidden));
      numbers_.push_back(near ? near->number : none);
    }
  }

  const model* model_;
  const kvstrata::prototype_pool* pool_;
  std::span<const block_to_encode> blocks_;
  std::vector<float> features_;
  std::vector<std::uint32_t> numbers_;  // of all blocks, token after token
};

}  // namespace decoder
