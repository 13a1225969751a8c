// The same prompts for HSTU: inputs by the caller, no positions in K, biases by distance; blocks in plain pages. Scores are those of
// candidates that see all of the context.
#pragma once

#include "support/blocks/answer.hpp"

#include "hstu/blocks/context_forward.hpp"

#include <kvstrata/assembly/paged_context.hpp>
#include <kvstrata/layout/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

namespace blocks_bench {

class hstu_world
{
 public:
  static constexpr kv::token_count page_tokens = 16, pages = 1500;
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
        slab_(pages * kv::page_bytes(m_.shape(), page_tokens)),
        random_(seed)
  {
    for (std::size_t w = 0; w < 700 * m_.options().hidden; ++w) words_.push_back(any());
    add_block(100);
    for (int i = 0; i < 30; ++i) add_block(30 + below(40));
    for (int i = 0; i < 60; ++i) add_block(50 + below(100));
    for (std::size_t i = 0; i < 256 * m_.options().hidden; ++i) candidates_.push_back(any());
    scratch_ = add_pages(2048);
  }

  [[nodiscard]] std::vector<std::uint32_t> any_prompt()
  {
    std::vector<std::uint32_t> order{0};
    for (int i = 0; i < 4; ++i) order.push_back(1 + below(30));
    for (int i = 0; i < 10; ++i) order.push_back(31 + below(60));
    return order;
  }

  template <kv::token_selector S>
  [[nodiscard]] answer serve(const std::vector<std::uint32_t>& order, reuse how, const S& selector,
                             const kv::recompute_shares& shares)
  {
    std::vector<kv::placed_block> placed;
    std::vector<kv::reused_block> blocks;
    std::vector<float> inputs;
    const std::size_t hidden = m_.options().hidden;
    const auto at = [&] { return static_cast<kv::token_count>(inputs.size() / hidden); };
    const auto add_words = [&](std::uint32_t first, std::uint32_t count) {
      inputs.insert(inputs.end(), words_.begin() + static_cast<std::ptrdiff_t>(first * hidden),
                    words_.begin() + static_cast<std::ptrdiff_t>((first + count) * hidden));
    };
    for (const std::uint32_t b : order) {
      const auto tokens = static_cast<kv::token_count>(texts_[b].size() / hidden);
      if (how == reuse::blocks) {
        placed.push_back({.key = {.kind = 1, .id = b, .version = 1}, .start = at(), .tokens = tokens});
        blocks.push_back({at(), tokens, b >= 1 && b <= 30 ? kv::block_group::history : kv::block_group::items});
      }
      inputs.insert(inputs.end(), texts_[b].begin(), texts_[b].end());
      add_words(b, 3);
    }
    add_words(5, 24);
    kv::block_list list;
    list.start({}, at());
    for (const auto& b : placed) list.add(b);
    kv::paged_context context;
    context.assemble(
        list, [&](std::uint32_t part) { return view(tables_[static_cast<std::size_t>(list.parts()[part].key.id)]); }, 0,
        view(tables_[scratch_]));
    hstu::context_forward pass(m_);
    pass.run({.inputs = inputs, .blocks = blocks, .shares = shares, .candidate_inputs = candidates_}, selector, context,
             [](kv::layer_index) {});
    answer out;
    const auto scores = pass.scores();
    out.logits.assign(scores.approximate_value().begin(), scores.approximate_value().end());
    const std::size_t width = hstu::width_of(m_.options());
    for (std::uint32_t l = 0; l < layers; ++l) {
      decoder::layer_rows rows;
      for (kv::token_count t = 0; t < list.context(); ++t) {
        const auto* const key = reinterpret_cast<const float*>(context.view().key(l, 0, t));
        const auto* const value = key + context.view().value_offset() / sizeof(float);
        rows.keys.insert(rows.keys.end(), key, key + width);
        rows.values.insert(rows.values.end(), value, value + width);
      }
      out.layers.push_back(std::move(rows));
    }
    return out;
  }

 private:
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  [[nodiscard]] float any() { return static_cast<float>(static_cast<std::int32_t>(below(2001)) - 1000) / 600.0F; }
  [[nodiscard]] kv::page_table_view view(const kv::page_table& of)
  {
    return of.view(slab_.data(), kv::layer_first(m_.shape(), page_tokens, pages), m_.shape(), page_tokens);
  }
  std::size_t add_pages(kv::token_count tokens)
  {
    kv::page_table& table = tables_.emplace_back();
    const kv::page_count count = (tokens + page_tokens - 1) / page_tokens;
    table.start(1);
    table.append(taken_, count);
    table.finish_request(0, tokens, page_tokens);
    taken_ += count;
    return tables_.size() - 1;
  }
  // Texts of one topic have words in common, some far more than others.
  void add_block(kv::token_count tokens)
  {
    const std::uint32_t topic = below(8) * 80;
    const std::size_t hidden = m_.options().hidden;
    std::vector<float> text;
    for (kv::token_count t = 0; t < tokens; ++t) {
      const std::size_t word = topic + below(1 + below(60));
      text.insert(text.end(), words_.begin() + static_cast<std::ptrdiff_t>(word * hidden),
                  words_.begin() + static_cast<std::ptrdiff_t>((word + 1) * hidden));
    }
    const std::size_t table = add_pages(tokens);
    const kv::token_interval all[] = {{0, tokens}};
    hstu::request r;
    r.history = tokens;
    r.compute = all;
    r.inputs = text;
    hstu::batch_forward pass(m_, {&r, 1}, view(tables_[table]));
    pass.embed();
    for (std::uint32_t l = 0; l < layers; ++l) pass.layer(l);
    texts_.push_back(std::move(text));
  }

  hstu::model m_;
  std::vector<std::byte> slab_;
  std::mt19937_64 random_;
  std::vector<float> words_, candidates_;
  std::deque<kv::page_table> tables_;
  kv::page_count taken_ = 0;
  std::size_t scratch_ = 0;
  std::vector<std::vector<float>> texts_;
};

}  // namespace blocks_bench
