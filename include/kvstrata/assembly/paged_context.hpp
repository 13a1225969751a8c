// A context of blocks as one plain page table: for attention that knows of pages alone. A page is a block's own where all of it is
// reused and the block begins at a multiple of a page; others are in scratch, and what they hold of blocks is copied there (copy on
// write, a page at a time). Blocks that begin at multiples of a page cost a copy only where something is computed anew.
//
// K is as it is kept, so this is for models whose K carries no position (position/none.hpp). For others, and at the grain of a token:
// assembly/assembler.hpp.
#pragma once

#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One context at a time, context after context; keeps its memory. Not synchronised: one a thread.
class paged_context
{
 public:
  /// Blocks, their pages and scratch, as assembler::assemble; scratch of as many tokens as the context always suffices. Say what is
  /// computed (compute()) before anything else. Throws usage_error, and has no context then, where a block's pages are not of its
  /// tokens, or lie in another slab than scratch.
  template <class ViewOf>
  void assemble(const block_list& list, ViewOf&& view_of, std::size_t request, const page_table_view& scratch,
                std::size_t scratch_request = 0)
  {
    list_ = nullptr;
    scratch_ = scratch;
    scratch_pages_ = scratch.pages(scratch_request);
    sources_.start(list.blocks().size());
    for (std::size_t b = 0; b < list.blocks().size(); ++b) {
      const page_table_view from = view_of(list.part_number(b));
      const placed_block& block = list.blocks()[b];
      const std::string what = "block " + std::to_string(b) + " (" + name_of(key_of(block.key)) + ")";
      if (from.base != scratch.base || from.page_tokens != scratch.page_tokens) {
        throw usage_error(what + " lies in another slab than the context's scratch");
      }
      if (from.first_token(request) != 0 || from.tokens(request) != block.tokens) {
        throw usage_error(what + " has " + std::to_string(block.tokens) + " tokens, but its pages are of the tokens [" +
                          std::to_string(from.first_token(request)) + ", " + std::to_string(from.tokens(request)) +
                          ")");
      }
      sources_.add(from.pages(request), 0, block.tokens, from.page_tokens);
    }
    list_ = &list;
    table_.start(1);
  }

  /// Of the tokens in blocks these (ascending, disjoint) are computed anew, as the request's own are. Makes the page table. O(pages +
  /// blocks + intervals). Throws usage_error for intervals that do not ascend within the context or are not in blocks, and where
  /// scratch has too few pages.
  void compute(std::span<const token_interval> anew)
  {
    if (list_ == nullptr) throw usage_error("compute: no context was put together yet");
    merge(anew);
    copies_.clear();
    pages_.clear();
    taken_ = 0;
    const token_count page_tokens = scratch_.page_tokens, context = list_->context();
    std::size_t block = 0, interval = 0;
    for (token_count at = 0; at < context; at += page_tokens) {
      const token_interval page{at, (std::min)(context, at + page_tokens)};
      while (block < list_->blocks().size() && end_of(block) <= page.begin) ++block;
      while (interval < computed_.size() && computed_[interval].end <= page.begin) ++interval;
      const bool touched = interval < computed_.size() && computed_[interval].begin < page.end;
      const bool whole = block < list_->blocks().size() && !touched &&
                         list_->blocks()[block].start % page_tokens == 0 && end_of(block) >= page.end;
      if (whole) pages_.push_back(source().pages(block)[(at - list_->blocks()[block].start) / page_tokens]);
      else pages_.push_back(take_page(page, block, interval));
    }
    table_.start(1);
    table_.add(pages_, 0, context, page_tokens);
  }

  /// Request 0: the context's tokens, [0, context).
  [[nodiscard]] page_table_view view() const
  {
    return table_.view(scratch_.base, scratch_.where, scratch_.shape, scratch_.page_tokens);
  }
  /// What is computed, ascending: the request's own tokens and those computed anew.
  [[nodiscard]] std::span<const token_interval> computed() const noexcept { return computed_; }
  /// Pages that are in scratch.
  [[nodiscard]] page_count scratch_pages() const noexcept { return taken_; }

  /// Brings what scratch pages hold of blocks, of one layer, which must have arrived; in memory that the host can address. Blocks;
  /// returns the bytes that were written. No page of a block is.
  std::uint64_t copy_rows(layer_index layer) const
  {
    const std::size_t bytes = scratch_.shape.key_bytes();
    const page_table_view from = source(), to = view();
    std::uint64_t written = 0;
    for (const row_copy& c : copies_) {
      const std::byte* const key = from.key(layer, c.block, c.token);
      std::byte* const mine = to.key(layer, 0, c.position);
      std::memcpy(mine, key, c.rows * bytes);
      std::memcpy(mine + to.value_offset(), key + from.value_offset(), c.rows * bytes);
      written += 2 * c.rows * bytes;
    }
    return written;
  }

 private:
  struct row_copy  // within a page on either side
  {
    std::uint32_t block;
    token_count token, position, rows;
  };

  [[nodiscard]] page_table_view source() const
  {
    return sources_.view(scratch_.base, scratch_.where, scratch_.shape, scratch_.page_tokens);
  }
  [[nodiscard]] token_count end_of(std::size_t block) const noexcept
  {
    return list_->blocks()[block].start + list_->blocks()[block].tokens;
  }

  /// computed_: the own tokens and these.
  void merge(std::span<const token_interval> anew)
  {
    token_count least = 0;
    for (const token_interval i : anew) {
      if (i.begin < least || i.end < i.begin || i.end > list_->context()) {
        throw usage_error("the tokens [" + std::to_string(i.begin) + ", " + std::to_string(i.end) +
                          ") are to be computed anew, but intervals ascend within [" + std::to_string(least) + ", " +
                          std::to_string(list_->context()) + ")");
      }
      least = i.end;
    }
    computed_.clear();
    const auto add = [this](token_interval i) {
      if (i.empty()) return;
      if (!computed_.empty() && computed_.back().end == i.begin) computed_.back().end = i.end;
      else computed_.push_back(i);
    };
    std::size_t next = 0;
    list_->each_own([&](token_interval own) {
      for (; next < anew.size() && anew[next].begin < own.begin; ++next) add(anew[next]);
      if ((next < anew.size() && anew[next].begin < own.end) ||
          (!computed_.empty() && computed_.back().end > own.begin)) {
        throw usage_error("of what is to be computed anew not all is in blocks: the tokens [" +
                          std::to_string(own.begin) + ", " + std::to_string(own.end) +
                          ") are in none, and are computed anyway");
      }
      add(own);
    });
    for (; next < anew.size(); ++next) add(anew[next]);
  }

  /// A page of scratch, and the copies of what it holds of blocks.
  page_id take_page(token_interval page, std::size_t block, std::size_t interval)
  {
    if (taken_ == scratch_pages_.size()) {
      throw usage_error("a context needs more than the " + std::to_string(taken_) + " pages that its scratch has");
    }
    for (token_count at = page.begin; at < page.end;) {
      while (interval < computed_.size() && computed_[interval].end <= at) ++interval;
      if (interval < computed_.size() && computed_[interval].begin <= at) {
        at = computed_[interval].end;
        continue;
      }
      while (end_of(block) <= at) ++block;
      const token_count token = at - list_->blocks()[block].start;
      token_count end = (std::min)({page.end, end_of(block), at + scratch_.page_tokens - token % scratch_.page_tokens});
      if (interval < computed_.size()) end = (std::min)(end, computed_[interval].begin);
      copies_.push_back({static_cast<std::uint32_t>(block), token, at, end - at});
      at = end;
    }
    return scratch_pages_[taken_++];
  }

  const block_list* list_ = nullptr;
  page_table_view scratch_;
  std::span<const page_id> scratch_pages_;
  page_table sources_, table_;
  std::vector<page_id> pages_;
  std::vector<row_copy> copies_;
  interval_list computed_;
  page_count taken_ = 0;
};

}  // namespace kvstrata
