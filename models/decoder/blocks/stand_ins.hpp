// Tokens of a history by prototypes (kvstrata/prototypes/): the features that they are compared by, which tokens have one, and the
// pages of a block filled with their rows.
#pragma once

#include "decoder/blocks/block_forward.hpp"
#include "decoder/blocks/vocabulary.hpp"
#include "decoder/model.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>
#include <kvstrata/prototypes/stand_in_finder.hpp>
#include <kvstrata/prototypes/text_features.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace decoder {

/// What a token is compared by: its embedding, and half of what the token before it had. [words][hidden]
inline void token_features(const model& m, std::span<const std::uint32_t> words, std::vector<float>& out)
{
  const std::size_t hidden = m.options().hidden;
  out.clear();
  for (const std::uint32_t word : words) {
    const float* const embedding = embedding_of(m.options(), m.parameters(), word);
    out.insert(out.end(), embedding, embedding + hidden);
  }
  kvstrata::add_what_came_before(out, hidden);
}

/// Makes prototypes of a block's tokens, where they resemble none. The block is encoded, in pages of a policy that turns K where it is
/// read. Returns how many it made.
inline std::size_t learn_prototypes(kvstrata::prototype_pool& pool, const model& m, const block_to_encode& encoded)
{
  std::vector<float> features;
  token_features(m, encoded.words, features);
  return pool.learn_text(features, encoded.pages, encoded.request);
}

/// One thread at a time; any number of these may use one pool. What it has looked up it remembers (stand_in_finder).
class stand_ins
{
 public:
  static constexpr std::uint32_t none = kvstrata::stand_in_finder::none;

  /// Throws kvstrata::usage_error where the pool's features or rows are not this model's. `most_tokens`: of texts that are remembered.
  stand_ins(const model& m, const kvstrata::prototype_pool& pool, std::size_t most_tokens = std::size_t{1} << 20)
      : model_(&m), finder_(pool, most_tokens)
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
  [[nodiscard]] std::uint64_t version() const noexcept { return finder_.pool().version(); }
  [[nodiscard]] const kvstrata::stand_in_finder& finder() const noexcept { return finder_; }

  /// The prototype of each token, or none. Valid until the next call of this, lacking() or start(). Throws kvstrata::history_error for
  /// words that are none.
  [[nodiscard]] std::span<const std::uint32_t> find(std::span<const std::uint32_t> words)
  {
    return finder_.find(std::as_bytes(words), static_cast<kvstrata::token_count>(words.size()), [&] {
      for (const std::uint32_t word : words) {
        if (word <= start_word(model_->options())) continue;
        throw kvstrata::history_error("a token is word " + std::to_string(word) + ", but the last is " +
                                      std::to_string(start_word(model_->options())));
      }
      token_features(*model_, words, features_);
      return std::span<const float>(features_);
    });
  }

  /// The tokens without a prototype, which must be computed wherever the block is used, are appended to `to`, as a block's tokens
  /// that stand from `start` on.
  void lacking(std::span<const std::uint32_t> words, kvstrata::token_count start,
               std::vector<kvstrata::token_interval>& to)
  {
    kvstrata::stand_in_finder::lacking(find(words), start, to);
  }

  /// The blocks to fill, layer by layer, until the next call of this; they must stay until then. Throws kvstrata::history_error for pages
  /// of another number of tokens.
  void start(std::span<const block_to_encode> blocks)
  {
    for (const block_to_encode& b : blocks) {
      if (b.pages.first_token(b.request) == 0 && b.pages.tokens(b.request) == b.words.size()) continue;
      throw kvstrata::history_error("a block has " + std::to_string(b.words.size()) + " tokens, but its pages are of " +
                                    std::to_string(b.pages.tokens(b.request)));
    }
    blocks_ = blocks;
    numbers_.clear();
    for (const block_to_encode& b : blocks) {
      const auto found = find(b.words);
      numbers_.insert(numbers_.end(), found.begin(), found.end());
    }
  }
  /// Rows of tokens without a prototype are zeros.
  void fill(kvstrata::layer_index layer) const
  {
    std::span<const std::uint32_t> left = numbers_;
    for (const block_to_encode& b : blocks_) {
      finder_.fill(left.first(b.words.size()), layer, b.pages, b.request);
      left = left.subspan(b.words.size());
    }
  }

 private:
  const model* model_;
  kvstrata::stand_in_finder finder_;
  std::span<const block_to_encode> blocks_;
  std::vector<float> features_;
  std::vector<std::uint32_t> numbers_;  // of the blocks, token after token
};

}  // namespace decoder
