// Contexts of a recommendation prompt for the decoder, served from a cache: an instruction that all have, reviews of the user's
// history, candidates, and a question; lengths as RcLLM (arXiv 2605.07443) tells of its prompts, scaled down.
#pragma once

#include "support/blocks/answer.hpp"

#include "decoder/blocks/context_rows.hpp"
#include "decoder/blocks/serve_context.hpp"
#include "decoder/blocks/vocabulary.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace blocks_bench {

/// What stands where, and whose words.
struct prompt_plan
{
  kv::block_list list;
  std::vector<kv::reused_block> blocks;
  std::vector<std::uint32_t> words;
  std::vector<kv::token_interval> always;  // tokens that have no prototype
};

class decoder_world
{
 public:
  static constexpr kv::token_count page_tokens = 16, longest = 2048;

  decoder_world(const decoder::config& c, std::uint64_t seed)
      : m_(c, 1),
        positions_(m_.options(), kv::position::position_free{}, longest),
        cache_(device_, {.shape = m_.shape(),
                         .tiers = {{.bytes = 1200 * kv::page_bytes(m_.shape(), page_tokens)},
                                   {.bytes = 1200 * kv::page_bytes(m_.shape(), page_tokens)}},
                         .layout = {.page_tokens = page_tokens, .chunk = 128}}),
        compute_(device_.create_stream("compute")),
        server_(m_, positions_),
        pool_({.dimensions = c.hidden, .most = 8192, .least_cosine = 0.9F}, m_.shape()),
        random_(seed)
  {
    // Texts of one topic have words in common, some far more than others.
    const std::uint32_t words = decoder::start_word(c);
    for (std::size_t t = 0; t < topics; ++t) {
      for (std::size_t w = 0; w < 60; ++w) topics_[t].push_back(below(words));
    }
    add_block(100);                                                                     // the instruction
    for (int i = 0; i < 30; ++i) add_block(static_cast<std::size_t>(30 + below(40)));   // reviews
    for (int i = 0; i < 60; ++i) add_block(static_cast<std::size_t>(50 + below(100)));  // items
    learn_prototypes(seed);
    server_.allow_stand_ins(pool_, stand_in_kind);
    finder_.emplace(m_, pool_);
  }

  [[nodiscard]] const decoder::model& model() const noexcept { return m_; }
  [[nodiscard]] const decoder::block_positions& positions() const noexcept { return positions_; }

  /// A prompt: the numbers of its blocks, in order.
  [[nodiscard]] std::vector<std::uint32_t> any_prompt()
  {
    std::vector<std::uint32_t> order{0};
    for (int i = 0; i < 4; ++i) order.push_back(1 + below(30));
    for (int i = 0; i < 10; ++i) order.push_back(31 + below(60));
    return order;
  }

  [[nodiscard]] const kv::prototype_pool& prototypes() const noexcept { return pool_; }

  [[nodiscard]] prompt_plan plan(const std::vector<std::uint32_t>& order, reuse how)
  {
    prompt_plan out;
    std::vector<kv::placed_block> placed;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::vector<std::uint32_t>& text = text_of(order[i]);
      const auto at = static_cast<kv::token_count>(out.words.size());
      const auto tokens = static_cast<kv::token_count>(text.size());
      const bool history = order[i] >= 1 && order[i] <= 30, stands_in = history && how == reuse::prototypes;
      if (how >= reuse::blocks || (how == reuse::prefix && i == 0)) {
        const kv::block_key as_text{.kind = 1, .id = order[i], .version = 1},
            by_prototypes{.kind = stand_in_kind, .id = order[i], .version = pool_.version()};
        placed.push_back({.key = stands_in ? by_prototypes : as_text, .start = at, .tokens = tokens});
        out.blocks.push_back({at, tokens, history ? kv::block_group::history : kv::block_group::items, stands_in});
        if (history && how >= reuse::prototypes) finder_->lacking(text_of(order[i]), at, out.always);
      }
      out.words.insert(out.words.end(), text.begin(), text.end());
      for (std::uint32_t w = 0; w < 3; ++w) out.words.push_back((order[i] * 7 + w) % 60);  // what stands between texts
    }
    for (std::uint32_t w = 0; w < 24; ++w) out.words.push_back((w * 11) % 90);  // the question
    out.words.push_back(decoder::start_word(m_.options()));
    out.list.start({}, static_cast<kv::token_count>(out.words.size()));
    for (const auto& b : placed) out.list.add(b);
    return out;
  }

  /// Under a lease from beginning to end; look(pass) before it is released.
  template <kv::token_selector S, class Look>
  void serve(const prompt_plan& plan, const S& selector, const kv::recompute_shares& shares, Look&& look)
  {
    decoder::context_parts(plan.list, server_.assembly(), static_cast<kv::token_count>(plan.words.size()), page_tokens,
                           parts_);
    const kv::request wanted{.user = kv::user_id{1}, .parts = parts_};
    auto lease = cache_.prepare({&wanted, 1}, compute_).value();
    server_.compute(
        lease, 0, plan.list, {.words = plan.words, .blocks = plan.blocks, .shares = shares, .always = plan.always},
        selector, [&](std::uint32_t part) {
          return std::span<const std::uint32_t>(texts_[static_cast<std::size_t>(plan.list.parts()[part].key.id)]);
        });
    look(server_.pass());
    lease.finish();
  }

  template <kv::token_selector S>
  [[nodiscard]] answer serve(const std::vector<std::uint32_t>& order, reuse how, const S& selector,
                             const kv::recompute_shares& shares)
  {
    answer out;
    serve(plan(order, how), selector, shares, [&](decoder::context_forward& pass) {
      const auto logits = pass.logits(0);
      out.logits.assign(logits.approximate_value().begin(), logits.approximate_value().end());
      for (std::uint32_t l = 0; l < m_.options().layers; ++l)
        out.layers.push_back(decoder::rows_of(pass.view(), l, positions_));
    });
    return out;
  }

 private:
  static constexpr std::size_t topics = 8;
  static constexpr std::uint32_t stand_in_kind = 2;

  [[nodiscard]] const std::vector<std::uint32_t>& text_of(std::uint32_t block) const { return texts_[block]; }

  [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  void add_block(std::size_t tokens) { texts_.push_back(any_text(tokens, random_)); }
  [[nodiscard]] std::vector<std::uint32_t> any_text(std::size_t tokens, std::mt19937_64& random) const
  {
    const auto any = [&random](std::uint64_t bound) { return static_cast<std::size_t>(random() % bound); };
    const std::vector<std::uint32_t>& words = topics_[any(topics)];
    std::vector<std::uint32_t> text;
    for (std::size_t t = 0; t < tokens; ++t) text.push_back(words[any(1 + any(60))]);
    return text;
  }
  // Of 200 other reviews than those in prompts.
  void learn_prototypes(std::uint64_t seed)
  {
    std::mt19937_64 random(seed + 1000);
    std::vector<std::byte> memory(8 * kv::page_bytes(m_.shape(), page_tokens));
    decoder::block_forward encode(m_, positions_);
    for (int i = 0; i < 200; ++i) {
      const std::vector<std::uint32_t> text = any_text(30 + random() % 40, random);
      kv::page_table table;
      table.start(1);
      table.append(0, (static_cast<kv::page_count>(text.size()) + page_tokens - 1) / page_tokens);
      table.finish_request(0, static_cast<kv::token_count>(text.size()), page_tokens);
      const decoder::block_to_encode block{
          text, table.view(memory.data(), kv::layer_first(m_.shape(), page_tokens, 8), m_.shape(), page_tokens), 0};
      encode.run({&block, 1});
      static_cast<void>(decoder::learn_prototypes(pool_, m_, block));
    }
  }

  decoder::model m_;
  decoder::block_positions positions_;
  kv::emulated_device device_;
  kv::default_cache<kv::emulated_device> cache_;
  kv::stream_id compute_;
  decoder::context_server<kv::position::position_free> server_;
  kv::prototype_pool pool_;
  std::optional<decoder::stand_ins> finder_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> topics_[topics];
  std::vector<std::vector<std::uint32_t>> texts_;
  std::vector<kv::part> parts_;
};

}  // namespace blocks_bench
