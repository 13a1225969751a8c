// The same prompts for HSTU: inputs by the caller, no positions in K, biases by distance; blocks in plain pages. Scores are those of
// candidates that see all of the context.
#pragma once

#include "support/blocks/answer.hpp"

#include "support/blocks/hstu_pages.hpp"

#include "hstu/blocks/context_forward.hpp"

#include <kvstrata/prototypes/prototype_pool.hpp>
#include <kvstrata/prototypes/stand_in_finder.hpp>
#include <kvstrata/prototypes/text_features.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace blocks_bench {

class hstu_world
{
 public:
  static constexpr std::uint32_t layers = 4;

  explicit hstu_world(std::uint64_t seed)
      : m_({.layers = layers,
            .hidden = 128,
            .heads = 4,
            .head_dim = 32,
            .tasks = 1,
            .normaliser = 256,
            .position_buckets = 256,
            .time_buckets = 0,
            .seed = seed,
            .inputs = hstu::token_inputs::by_caller,
            .event_tokens = 1},
           1),
        pages_(m_, 1500),
        pool_({.dimensions = m_.options().hidden, .most = 8192, .least_cosine = 0.9F}, m_.shape()),
        finder_(pool_),
        random_(seed)
  {
    for (std::size_t w = 0; w < 700 * m_.options().hidden; ++w) words_.push_back(any());
    add_block(100);
    for (int i = 0; i < 30; ++i) add_block(30 + below(40));
    for (int i = 0; i < 60; ++i) add_block(50 + below(100));
    for (std::size_t i = 0; i < 256 * m_.options().hidden; ++i) candidates_.push_back(any());
    scratch_ = pages_.add(2048);
    learn_prototypes(seed);
  }

  [[nodiscard]] std::vector<std::uint32_t> any_prompt()
  {
    std::vector<std::uint32_t> order{0};
    for (int i = 0; i < 4; ++i) order.push_back(1 + below(30));
    for (int i = 0; i < 10; ++i) order.push_back(31 + below(60));
    return order;
  }

  [[nodiscard]] const kv::prototype_pool& prototypes() const noexcept { return pool_; }

  template <kv::token_selector S>
  [[nodiscard]] answer serve(const std::vector<std::uint32_t>& order, reuse how, const S& selector,
                             const kv::recompute_shares& shares)
  {
    std::vector<kv::placed_block> placed;
    std::vector<kv::reused_block> blocks;
    std::vector<kv::token_interval> always;
    std::vector<float> inputs;
    const std::size_t hidden = m_.options().hidden;
    const auto at = [&] { return static_cast<kv::token_count>(inputs.size() / hidden); };
    const auto add_words = [&](std::uint32_t first, std::uint32_t count) {
      inputs.insert(inputs.end(), words_.begin() + static_cast<std::ptrdiff_t>(first * hidden),
                    words_.begin() + static_cast<std::ptrdiff_t>((first + count) * hidden));
    };
    for (const std::uint32_t b : order) {
      const auto tokens = static_cast<kv::token_count>(texts_[b].size() / hidden);
      const bool history = b >= 1 && b <= 30, stands_in = history && how == reuse::prototypes;
      if (how >= reuse::blocks) {
        placed.push_back(
            {.key = {.kind = stands_in ? 2U : 1U, .id = b, .version = 1}, .start = at(), .tokens = tokens});
        blocks.push_back({at(), tokens, history ? kv::block_group::history : kv::block_group::items, stands_in});
        if (history && how >= reuse::prototypes) kv::stand_in_finder::lacking(prototypes_of(b), at(), always);
      }
      inputs.insert(inputs.end(), texts_[b].begin(), texts_[b].end());
      add_words(b, 3);
    }
    add_words(5, 24);
    kv::block_list list;
    list.start({}, at());
    for (const auto& b : placed) list.add(b);
    answer out;
    pages_.serve(
        list,
        [&](const kv::sequence_key& key) {
          return key.space == 2 ? filled_[static_cast<std::size_t>(key.id) - 1] : static_cast<std::size_t>(key.id);
        },
        scratch_,
        {.inputs = inputs, .blocks = blocks, .shares = shares, .candidate_inputs = candidates_, .always = always},
        selector, out,
        [&](const hstu::context_forward& pass) {
          const auto scores = pass.scores();
          out.logits.assign(scores.approximate_value().begin(), scores.approximate_value().end());
        });
    return out;
  }

 private:
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  [[nodiscard]] float any() { return static_cast<float>(static_cast<std::int32_t>(below(2001)) - 1000) / 600.0F; }
  // Texts of one topic have words in common, some far more than others.
  [[nodiscard]] std::vector<float> any_text(kv::token_count tokens, std::mt19937_64& random) const
  {
    const auto under = [&random](std::uint64_t bound) { return static_cast<std::size_t>(random() % bound); };
    const std::size_t topic = under(8) * 80, hidden = m_.options().hidden;
    std::vector<float> text;
    for (kv::token_count t = 0; t < tokens; ++t) {
      const std::size_t word = topic + under(1 + under(60));
      text.insert(text.end(), words_.begin() + static_cast<std::ptrdiff_t>(word * hidden),
                  words_.begin() + static_cast<std::ptrdiff_t>((word + 1) * hidden));
    }
    return text;
  }
  void add_block(kv::token_count tokens)
  {
    texts_.push_back(any_text(tokens, random_));
    pages_.encode(texts_.back());
  }
  [[nodiscard]] std::vector<float> features_of(std::vector<float> text) const
  {
    kv::add_what_came_before(text, m_.options().hidden);
    return text;
  }
  [[nodiscard]] std::span<const std::uint32_t> prototypes_of(std::uint32_t block)
  {
    const std::vector<float>& text = texts_[block];
    return finder_.find(std::as_bytes(std::span(text)), static_cast<kv::token_count>(text.size() / m_.options().hidden),
                        [&] { return features_of(text); });
  }
  // Of 200 other reviews than those in prompts; and those, filled with them.
  void learn_prototypes(std::uint64_t seed)
  {
    std::mt19937_64 random(seed + 1000);
    hstu_pages others(m_, 8);
    for (int i = 0; i < 200; ++i) {
      const std::vector<float> text = any_text(static_cast<kv::token_count>(30 + random() % 40), random);
      others.clear();
      pool_.learn_text(features_of(text), others.view(others.encode(text)), 0);
    }
    for (std::uint32_t b = 1; b <= 30; ++b) {
      const std::span<const std::uint32_t> numbers = prototypes_of(b);
      filled_.push_back(pages_.add(static_cast<kv::token_count>(numbers.size())));
      for (std::uint32_t l = 0; l < layers; ++l) finder_.fill(numbers, l, pages_.view(filled_.back()), 0);
    }
  }

  hstu::model m_;
  hstu_pages pages_;
  kv::prototype_pool pool_;
  kv::stand_in_finder finder_;
  std::mt19937_64 random_;
  std::vector<float> words_, candidates_;
  std::size_t scratch_ = 0;
  std::vector<std::size_t> filled_;  // [review]
  std::vector<std::vector<float>> texts_;
};

}  // namespace blocks_bench
