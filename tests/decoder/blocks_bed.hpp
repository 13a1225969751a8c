// Contexts of blocks in plain pages: encoded, put together and computed, by any position policy and selector.
#pragma once

#include "decoder/blocks/block_forward.hpp"
#include "decoder/blocks/context_forward.hpp"
#include "decoder/blocks/context_rows.hpp"
#include "decoder/blocks/vocabulary.hpp"
#include "decoder/fixture.hpp"

#include <kvstrata/assembly/assembler.hpp>
#include <kvstrata/assembly/copy_blocks.hpp>
#include <kvstrata/position/rotate_on_copy.hpp>
#include <kvstrata/recompute/none.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace decoder_test {

constexpr kvstrata::token_count longest_context = 400;

/// Request `request` of a view, alone.
inline kvstrata::page_table_view only(const kvstrata::page_table_view& all, std::size_t request)
{
  kvstrata::page_table_view one = all;
  one.indptr = all.indptr.subspan(request, 2);
  one.last_page_len = all.last_page_len.subspan(request, 1);
  one.first_tokens = all.first_tokens.subspan(request, 1);
  return one;
}

/// What stands where in a context.
struct context_plan
{
  kvstrata::block_list list;
  std::vector<kvstrata::reused_block> blocks;
  std::vector<std::uint32_t> words;
};

struct computed_context
{
  std::vector<decoder::layer_rows> layers;
  std::vector<float> logits;
  kvstrata::reuse_report report;
  decoder::context_work work;
};

/// Items of some words, and contexts of them. Items resemble each other: their words come from few.
class items_bed
{
 public:
  items_bed(const decoder::model& m, std::uint64_t seed, std::vector<kvstrata::token_count> lengths)
      : m_(&m), random_(seed), lengths_(std::move(lengths))
  {
    for (const auto length : lengths_) items_.push_back(some_words(length));
  }

  [[nodiscard]] const std::vector<std::vector<std::uint32_t>>& items() const noexcept { return items_; }
  [[nodiscard]] std::vector<std::uint32_t> some_words(std::size_t count)
  {
    std::vector<std::uint32_t> out;
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(static_cast<std::uint32_t>(random_() % decoder::start_word(m_->options())));
    return out;
  }

  /// `order`: items in turn; 0xffffffff - n: n words of the context's own. Ends with the start word.
  [[nodiscard]] context_plan plan(const std::vector<std::uint32_t>& order)
  {
    context_plan out;
    std::vector<kvstrata::placed_block> placed;
    for (const std::uint32_t what : order) {
      const auto at = static_cast<kvstrata::token_count>(out.words.size());
      if (what < items_.size()) {
        placed.push_back({.key = {.kind = 1, .id = what, .version = 1}, .start = at, .tokens = lengths_[what]});
        out.blocks.push_back({at, lengths_[what]});
        out.words.insert(out.words.end(), items_[what].begin(), items_[what].end());
      } else {
        const auto own = some_words(0xffff'ffffU - what);
        out.words.insert(out.words.end(), own.begin(), own.end());
      }
    }
    out.words.push_back(decoder::start_word(m_->options()));
    out.list.start({}, static_cast<kvstrata::token_count>(out.words.size()));
    for (const auto& b : placed) out.list.add(b);
    return out;
  }

 private:
  const decoder::model* m_;
  generator random_;
  std::vector<kvstrata::token_count> lengths_;
  std::vector<std::vector<std::uint32_t>> items_;
};

constexpr std::uint32_t own(std::uint32_t words) { return 0xffff'ffffU - words; }

/// Pages with the items encoded in them under a policy, and scratch.
template <kvstrata::position_policy P>
class encoded_items
{
 public:
  encoded_items(const decoder::model& m, const items_bed& items, P policy, kvstrata::token_count page_tokens,
                std::size_t scratches = 1)
      : m_(&m), positions_(m.options(), policy, longest_context), policy_(policy)
  {
    generator random(3);
    std::vector<kvstrata::token_count> lengths;
    for (const auto& item : items.items()) lengths.push_back(static_cast<kvstrata::token_count>(item.size()));
    count_ = lengths.size();
    for (std::size_t s = 0; s < scratches; ++s) lengths.push_back(2 * longest_context);
    pages_ = std::make_unique<pages>(random, m.shape(), page_tokens, lengths);
    std::vector<decoder::block_to_encode> blocks;
    for (std::size_t i = 0; i < count_; ++i) blocks.push_back({items.items()[i], pages_->view(), i});
    decoder::block_forward(m, positions_).run(blocks);
  }

  [[nodiscard]] const decoder::block_positions& positions() const noexcept { return positions_; }
  [[nodiscard]] kvstrata::page_table_view item(std::size_t i) const { return only(pages_->view(), i); }

  /// Of the bytes of all items' rows.
  [[nodiscard]] std::uint64_t checksum() const
  {
    std::uint64_t sum = 0xcbf2'9ce4'8422'2325U;  // FNV-1a
    for (std::size_t i = 0; i < count_; ++i) {
      const auto v = item(i);
      for (kvstrata::layer_index l = 0; l < m_->shape().layers; ++l) {
        for (kvstrata::token_count t = 0; t < v.tokens(0); ++t) {
          for (std::size_t b = 0; b < m_->shape().key_bytes(); ++b) {
            sum = (sum ^ static_cast<std::uint64_t>(v.key(l, 0, t)[b])) * 0x100'0000'01b3U;
            sum = (sum ^ static_cast<std::uint64_t>(v.key(l, 0, t)[v.value_offset() + b])) * 0x100'0000'01b3U;
          }
        }
      }
    }
    return sum;
  }

  template <kvstrata::token_selector S>
  [[nodiscard]] computed_context compute(const context_plan& plan, const S& selector,
                                         const kvstrata::recompute_shares& shares, std::size_t scratch = 0,
                                         std::span<const std::uint32_t> words = {}) const
  {
    kvstrata::assembler<P> assembler(policy_);
    assembler.assemble(
        plan.list, [&](std::uint32_t part) { return item(static_cast<std::size_t>(plan.list.parts()[part].key.id)); },
        0, only(pages_->view(), count_ + scratch));
    decoder::context_forward pass(*m_, positions_);
    pass.start({.words = words.empty() ? std::span<const std::uint32_t>(plan.words) : words,
                .blocks = plan.blocks,
                .shares = shares},
               selector, [&](std::span<const kvstrata::token_interval> anew) {
                 assembler.compute(anew);
                 return assembler.view();
               });
    kvstrata::turn_angles angles;
    for (std::uint32_t l = 0; l < m_->options().layers; ++l) {
      static_cast<void>(copy_blocks(assembler.copies(), l, positions_.by(), angles));
      pass.layer(l);
    }
    computed_context out;
    const auto logits = pass.logits(0);
    out.logits.assign(logits.approximate_value().begin(), logits.approximate_value().end());
    out.report = logits.how();
    out.work = pass.work();
    for (std::uint32_t l = 0; l < m_->options().layers; ++l)
      out.layers.push_back(decoder::rows_of(pass.view(), l, positions_));
    return out;
  }

 private:
  const decoder::model* m_;
  decoder::block_positions positions_;
  P policy_;
  std::size_t count_ = 0;
  std::unique_ptr<pages> pages_;
};

/// The same words, all of them the context's own: full recomputation.
inline computed_context recomputed(const decoder::model& m, const context_plan& plan)
{
  context_plan all;
  all.words = plan.words;
  all.list.start({}, static_cast<kvstrata::token_count>(plan.words.size()));
  const items_bed nothing(m, 1, {});
  const encoded_items<kvstrata::position::rotate_on_copy> in(m, nothing, {}, 8);
  return in.compute(all, kvstrata::recompute::none{}, {});
}

}  // namespace decoder_test
