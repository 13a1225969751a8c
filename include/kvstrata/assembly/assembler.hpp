// Puts a context together: from blocks in the pages of a lease, and scratch for what is computed, to page tables. Copies nothing
// itself; what a position policy wants copied is a list, which copy_blocks (assembly/copy_blocks.hpp) carries out.
#pragma once

#include <kvstrata/assembly/assembled_view.hpp>
#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/position/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A block that must be copied, and all of its K turned on the way.
struct block_copy
{
  std::uint32_t block = 0;  ///< of the context
  std::uint32_t from = 0;   ///< a request of block_copies::from: the shared pages
  turn_by by = 0;
};

/// Block b goes from the shared pages of request `from` of one table to those of request `block` of the other.
struct block_copies
{
  std::span<const block_copy> list;
  page_table_view from;
  page_table_view to;
};

/// One context at a time, context after context; keeps its memory. Not synchronised: one a thread.
template <position_policy P>
class assembler
{
 public:
  explicit assembler(P policy = {}) : policy_(policy) {}

  [[nodiscard]] const P& policy() const noexcept { return policy_; }

  /// Tokens of scratch that a context needs in which so many are computed, its own ones among them.
  [[nodiscard]] token_count scratch_tokens(const block_list& list, token_count computed, token_count page_tokens) const
  {
    return copied_pages(list, page_tokens) * page_tokens + computed;
  }

  /// The blocks of `list`, part p of which lies in request `request` of view_of(p), and scratch in request `scratch_request` of
  /// `scratch`, in the same slab; one of scratch_tokens(). Say what is computed (compute()) before view(). The list must live,
  /// and not change, until the next call. O(blocks + their pages); allocates nothing in steady state. Throws usage_error, and has no
  /// context then, where a block's pages are not of its tokens, of another slab, or scratch is too small for the copies.
  template <class ViewOf>
  void assemble(const block_list& list, ViewOf&& view_of, std::size_t request, const page_table_view& scratch,
                std::size_t scratch_request = 0)
  {
    list_ = nullptr;
    has_rows_ = false;
    base_ = scratch.base;
    where_ = scratch.where;
    shape_ = scratch.shape;
    page_tokens_ = scratch.page_tokens;
    const std::span<const placed_block> blocks = list.blocks();
    const page_count copied = copied_pages(list, page_tokens_);
    scratch_pages_ = scratch.pages(scratch_request);
    const token_count room = scratch.tokens(scratch_request);
    if (copied > room / page_tokens_) {
      throw usage_error("the copied blocks of a context need " + std::to_string(copied) +
                        " pages of scratch, but there are " + std::to_string(room / page_tokens_));
    }
    starts_.resize(blocks.size());
    copies_.clear();
    blocks_.start(blocks.size());
    sources_.start(copied == 0 ? 0 : blocks.size());
    page_count taken = 0;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const placed_block& block = blocks[b];
      const page_table_view from = view_of(list.part_number(b));
      if (!holds(from, request, block.tokens)) refuse_pages(block, b, from, request);
      const std::span<const page_id> pages = from.pages(request);
      starts_[b] = block.start;
      if (const turn_by by = policy_.copied(block.start); by != 0) {
        copies_.push_back({static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(copies_.size()), by});
        sources_.add(pages, 0, block.tokens, page_tokens_);
        blocks_.add(scratch_pages_.subspan(taken, pages.size()), 0, block.tokens, page_tokens_);
        taken += static_cast<page_count>(pages.size());
      } else {
        blocks_.add(pages, 0, block.tokens, page_tokens_);
      }
    }
    scratch_pages_ = scratch_pages_.subspan(taken);
    room_ = room - taken * page_tokens_;
    rows_.start(list.context());
    own_ = 0;
    list.each_own([this](token_interval tokens) {
      rows_.always(tokens);
      own_ += tokens.size();
    });
    list_ = &list;
  }

  /// How many tokens can be computed, own() among them: what scratch leaves beside the copies.
  [[nodiscard]] token_count room() const noexcept { return room_; }
  /// Tokens of the context that are in no block.
  [[nodiscard]] token_count own() const noexcept { return own_; }

  /// Of the tokens in blocks these (ascending, disjoint) are computed anew, and so lie in scratch, as the request's own do. Calls may
  /// follow each other: which row a token has changes, what rows hold does not move. O(context / 64 + intervals + their tokens / 64).
  /// Throws usage_error, and nothing has changed, for intervals that do not ascend, are beyond the context, hold tokens that are in
  /// no block, or need more than room().
  void compute(std::span<const token_interval> anew)
  {
    require_context("compute");
    const token_count rows = own_ + require_intervals(anew);
    if (!rows_.set(anew, rows)) refuse_own(anew);
    overlay_.start(1);
    overlay_.add(scratch_pages_.first((std::size_t{rows} + page_tokens_ - 1) / page_tokens_), 0, rows, page_tokens_);
    has_rows_ = true;
  }

  [[nodiscard]] assembled_view view() const
  {
    require_context("view");
    if (!has_rows_) throw usage_error("a context was put together, but nothing was said of what is computed");
    return {.blocks = blocks_.view(base_, where_, shape_, page_tokens_),
            .starts = starts_,
            .overlay = overlay_.view(base_, where_, shape_, page_tokens_),
            .rows = rows_.view(),
            .context = list_->context()};
  }

  /// What must be copied before a layer is attended to.
  [[nodiscard]] block_copies copies() const
  {
    return {copies_, sources_.view(base_, where_, shape_, page_tokens_),
            blocks_.view(base_, where_, shape_, page_tokens_)};
  }

 private:
  [[nodiscard]] page_count copied_pages(const block_list& list, token_count page_tokens) const noexcept
  {
    page_count all = 0;
    for (const placed_block& b : list.blocks()) {
      if (is_copied(policy_, b.start)) all += (b.tokens + page_tokens - 1) / page_tokens;
    }
    return all;
  }

  void require_context(const char* call) const
  {
    if (list_ == nullptr) throw usage_error(std::string(call) + ": no context was put together yet");
  }

  /// Are these the block's pages, all of them? In the same slab as scratch.
  [[nodiscard]] bool holds(const page_table_view& from, std::size_t request, token_count tokens) const noexcept
  {
    const auto pages = static_cast<std::uint32_t>(from.indptr[request + 1] - from.indptr[request]);
    return from.base == base_ && from.page_tokens == page_tokens_ && from.first_token(request) == 0 &&
           (std::uint64_t{pages} - 1) * page_tokens_ + static_cast<std::uint32_t>(from.last_page_len[request]) ==
               tokens;
  }

  [[noreturn]] void refuse_pages(const placed_block& block, std::size_t number, const page_table_view& from,
                                 std::size_t request) const
  {
    const std::string what = "block " + std::to_string(number) + " (" + name_of(key_of(block.key)) + ")";
    if (from.base != base_ || from.page_tokens != page_tokens_)
      throw usage_error(what + " lies in another slab than the context's scratch");
    throw usage_error(what + " has " + std::to_string(block.tokens) + " tokens, but its pages are of the tokens [" +
                      std::to_string(from.first_token(request)) + ", " + std::to_string(from.tokens(request)) + ")");
  }

  /// Returns their tokens.
  [[nodiscard]] token_count require_intervals(std::span<const token_interval> anew) const
  {
    token_count least = 0, tokens = 0;
    for (const token_interval i : anew) {
      if (i.begin < least || i.end < i.begin || i.end > list_->context()) [[unlikely]]
        refuse(i, least);
      least = i.end;
      tokens += i.end - i.begin;
    }
    if (own_ <= room_ && tokens <= room_ - own_) return tokens;
    if (std::any_of(anew.begin(), anew.end(), [this](token_interval i) { return rows_.any_always(i); }))
      refuse_own(anew);
    throw usage_error(std::to_string(std::uint64_t{own_} + tokens) +
                      " tokens are to be computed, but scratch has room for " + std::to_string(room_));
  }

  /// Of these some are in no block.
  [[noreturn]] void refuse_own(std::span<const token_interval> anew) const
  {
    refuse(*std::find_if(anew.begin(), anew.end(), [this](token_interval i) { return rows_.any_always(i); }), 0);
  }
  [[noreturn]] void refuse(token_interval anew, token_count least) const
  {
    const std::string what = "the tokens [" + std::to_string(anew.begin) + ", " + std::to_string(anew.end) +
                             ") are to be computed anew, but ";
    if (anew.end > list_->context()) throw usage_error(what + "the context has " + std::to_string(list_->context()));
    if (anew.end < anew.begin) throw usage_error(what + "that is no interval");
    if (anew.begin < least)
      throw usage_error(what + "those before end at " + std::to_string(least) + "; intervals ascend");
    throw usage_error(what + "not all of them are in blocks; what is in none is computed anyway");
  }

  [[no_unique_address]] P policy_;
  const block_list* list_ = nullptr;
  bool has_rows_ = false;
  std::byte* base_ = nullptr;
  placement where_;
  geometry shape_;
  token_count page_tokens_ = 0;
  std::span<const page_id> scratch_pages_;  // of the overlay
  token_count room_ = 0;
  token_count own_ = 0;  // tokens of the context that are in no block
  page_table blocks_, sources_, overlay_;
  std::vector<token_count> starts_;
  std::vector<block_copy> copies_;
  overlay_rows rows_;
};

}  // namespace kvstrata
