// Beams copied, the naive way: every beam has the KV of the whole prompt as a copy of its own, and attends to it alone.
#pragma once

#include "replay/decoder/own_pages.hpp"

#include "decoder/beam_forward.hpp"
#include "decoder/beam_search.hpp"
#include "decoder/search/request_beams.hpp"

#include <kvstrata/beams/traffic.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace replay {

/// Beam search over one request at a time. The prompt is copied as beams become more; when beams fork, only their own tokens
/// are: copies of one prompt are all alike, so moving them, which is done too in naive programs, is spared it. Memory only
/// grows. One thread at a time.
class copied_beams
{
 public:
  copied_beams(const decoder::model& m, const decoder::search_options& how, kvstrata::token_count page_tokens)
      : model_(&m),
        widest_(std::ranges::max(decoder::scratch_widths(how))),
        beams_(m.options().codebooks, how),
        pass_(m),
        copies_(page_tokens),
        own_{own_pages(steps()), own_pages(steps())}
  {
  }

  /// Bytes of copies that a prompt of so many tokens takes.
  [[nodiscard]] static std::size_t bytes(const kvstrata::geometry& shape, std::uint32_t beams,
                                         kvstrata::token_count prompt, kvstrata::token_count page_tokens)
  {
    return std::size_t{beams} * ((prompt + page_tokens - 1) / page_tokens) * kvstrata::page_bytes(shape, page_tokens);
  }

  /// Decodes from request r of `prompts`, which is wholly in its pages, from token 0 on.
  void run(const kvstrata::page_table_view& prompts, std::size_t r, std::shared_ptr<const decoder::catalogue> items)
  {
    beams_.start(std::move(items));
    const kvstrata::geometry& shape = prompts.shape;
    const kvstrata::token_count length = prompts.tokens(r);
    one_.start(1);
    one_.add(prompts.pages(r), 0, length, prompts.page_tokens);
    std::vector<kvstrata::token_count> lengths(widest_, length);
    std::vector<kvstrata::token_count> owns(widest_, steps());
    const kvstrata::page_table_view all = copies_.reserve(shape, lengths);
    std::uint32_t copied = 0;
    for (std::uint32_t step = 0; !beams_.done(); ++step) {
      const std::uint32_t width = beams_.width();
      if (step != 0) {
        for (; copied < width; ++copied) copy_prompt(prompts, r, all, copied);
      }
      widths_.assign(width, 1);
      rows_.clear();
      for (std::uint32_t b = 0; b < width; ++b) {
        for (std::uint32_t s = 0; s <= step; ++s) rows_.push_back(s);
      }
      kvstrata::page_table_view mine = own_[0].reserve(shape, std::span(owns).first(widest_));
      mine.last_page_len = mine.last_page_len.first(width);
      kvstrata::page_table_view prompt = all;
      prompt.last_page_len = prompt.last_page_len.first(width);
      if (step == 0) prompt = one_.view(prompts.base, prompts.where, shape, prompts.page_tokens);
      const auto tokens = step == 0 ? std::span<const std::uint32_t>() : beams_.tokens();
      beams_.advance(pass_.run({step, widths_, tokens, rows_}, prompt, mine), false);
      if (!beams_.done()) fork(mine, own_[1].reserve(shape, owns), step + 1);
    }
  }

  [[nodiscard]] std::span<const decoder::found_item> found() { return beams_.found(); }
  [[nodiscard]] const decoder::request_beams& beams() const noexcept { return beams_; }
  [[nodiscard]] kvstrata::beam_traffic traffic() const noexcept
  {
    kvstrata::beam_traffic out = pass_.traffic();
    out.moved_bytes += moved_;
    return out;
  }

 private:
  [[nodiscard]] std::uint32_t steps() const noexcept { return decoder::depth_of(model_->options()); }

  void copy_prompt(const kvstrata::page_table_view& from, std::size_t r, const kvstrata::page_table_view& to,
                   std::uint32_t beam)
  {
    const std::size_t bytes = kvstrata::page_layer_bytes(from.shape, from.page_tokens);
    const std::span<const kvstrata::page_id> source = from.pages(r), target = to.pages(beam);
    for (std::uint32_t l = 0; l < from.shape.layers; ++l) {
      for (std::size_t p = 0; p < source.size(); ++p)
        std::memcpy(to.page(l, target[p]), from.page(l, source[p]), bytes);
    }
    moved_ += from.shape.layers * source.size() * bytes;
  }

  /// Every beam takes its parent's own tokens.
  void fork(const kvstrata::page_table_view& from, const kvstrata::page_table_view& to, std::uint32_t tokens)
  {
    const std::size_t bytes = tokens * from.shape.key_bytes();
    const std::span<const std::uint32_t> parents = beams_.parents();
    for (std::uint32_t l = 0; l < from.shape.layers; ++l) {
      for (std::size_t b = 0; b < parents.size(); ++b) {
        std::byte* const key = to.key(l, b, 0);
        const std::byte* const source = from.key(l, parents[b], 0);
        std::memcpy(key, source, bytes);
        std::memcpy(key + to.value_offset(), source + from.value_offset(), bytes);
      }
    }
    moved_ += from.shape.layers * parents.size() * 2 * bytes;
    std::swap(own_[0], own_[1]);
  }

  const decoder::model* model_;
  std::uint32_t widest_;  // of the passes: nobody attends from what is selected last
  decoder::request_beams beams_;
  decoder::beam_forward pass_;
  own_pages copies_;
  own_pages own_[2];  // [0] is read and written by passes, [1] forked into
  kvstrata::page_table one_;
  std::vector<std::uint32_t> widths_, rows_;
  std::uint64_t moved_ = 0;
};

}  // namespace replay
