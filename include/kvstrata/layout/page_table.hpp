// A page table of a batch, filled request by request.
#pragma once

#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The arrays of a page_table_view. Clearing keeps their memory, so that a batch does not allocate in steady state. What is
/// marked as inlined every batch takes for each request, from more than one place. Not synchronised.
class page_table
{
 public:
  /// Begins anew, with room for so many requests.
  void start(std::size_t requests)
  {
    pages_ = finished_ = 0;
    if (requests > last_page_len_.size()) grow(requests);
  }
  void clear() noexcept { pages_ = finished_ = 0; }

  /// Further pages of the next request: those with the ids [first, first + pages).
  void append(page_count first, page_count pages) { fill(extend(pages), first, pages); }
  /// Room for so many further pages of the next request; to be filled, run by run.
  [[nodiscard, gnu::always_inline]] page_id* extend(std::size_t pages)
  {
    const std::size_t from = pages_;
    if (from + pages + spare > ids_.size()) ids_.resize((std::max)(from + pages + spare, 2 * ids_.size()));
    pages_ += pages;
    return ids_.data() + from;
  }
  /// Writes the ids [first, first + pages) there, and perhaps three more behind them, which the next ones overwrite. Returns
  /// where the next ones go.
  [[gnu::always_inline]] static page_id* fill(page_id* to, page_count first, page_count pages) noexcept
  {
    page_id* const end = to + pages;
#ifdef __GNUC__  // compilers that have these vectors make 1.6 instructions a page of the loop below, and 0.9 of this one
    using four_ids [[gnu::vector_size(16)]] = page_count;
    four_ids ids{first, first + 1, first + 2, first + 3};
    for (; pages >= 16; pages -= 16) {
      for (page_count i = 0; i < 4; ++i, ids += 4, to += 4) std::memcpy(to, &ids, sizeof ids);
    }
    for (; to < end; ids += 4, to += 4) std::memcpy(to, &ids, sizeof ids);
#else
    for (page_count i = 0; i < pages; ++i) to[i] = to_page(first + i);
#endif
    return end;
  }
  /// The same, for pages of another table whose page 0 is this one's `shift`.
  void append(std::span<const page_id> pages, page_count shift)
  {
    page_id* const to = extend(pages.size());
    if (shift == 0) {
      std::copy(pages.begin(), pages.end(), to);
      return;
    }
    for (std::size_t i = 0; i < pages.size(); ++i) to[i] = to_page(to_number(pages[i]) + shift);
  }
  /// A request as a whole: its pages, and as below.
  void add(std::span<const page_id> pages, token_count first_token, token_count tokens, token_count page_tokens)
  {
    append(pages, 0);
    finish_request(first_token, tokens, page_tokens);
  }
  /// What was appended is the request's window [first_token, tokens) of a history, in pages of `page_tokens` tokens, the
  /// first of them with first_token.
  [[gnu::always_inline]] void finish_request(token_count first_token, token_count tokens, token_count page_tokens)
  {
    if (finished_ == last_page_len_.size()) grow(2 * finished_ + 1);
    const auto end = static_cast<std::int32_t>(pages_);
    const bool none = indptr_[finished_] == end;
    last_page_len_[finished_] = none ? 0 : static_cast<std::int32_t>((tokens - 1) % page_tokens + 1);
    first_tokens_[finished_] = first_token;
    indptr_[++finished_] = end;
  }

  /// Puts pages with the ids [first, first + pages) in place of a request's pages from its `number`th on.
  void replace(std::size_t request, page_count number, page_count first, page_count pages) noexcept
  {
    page_id* const at = ids_.data() + indptr_[request] + number;
    for (page_count i = 0; i < pages; ++i) at[i] = to_page(first + i);
  }

  /// Over these pages. Valid until the next change.
  [[nodiscard]] page_table_view view(std::byte* base, placement where, const geometry& shape,
                                     token_count page_tokens) const noexcept
  {
    return {.page_ids = std::span(ids_).first(pages_),
            .indptr = std::span(indptr_).first(finished_ + 1),
            .last_page_len = std::span(last_page_len_).first(finished_),
            .first_tokens = std::span(first_tokens_).first(finished_),
            .base = base,
            .where = where,
            .shape = shape,
            .page_tokens = page_tokens};
  }

 private:
  void grow(std::size_t requests)
  {
    indptr_.resize(requests + 1);
    first_tokens_.resize(requests);
    last_page_len_.resize(requests);
  }

  static constexpr std::size_t spare = 3;  // ids that fill() may write behind the last

  // Of each array the beginning counts: what lies behind is memory, so that none is filled in vain.
  std::vector<page_id> ids_;
  std::size_t pages_ = 0;
  std::size_t finished_ = 0;  // requests
  std::vector<std::int32_t> indptr_{0};
  std::vector<std::int32_t> last_page_len_;
  std::vector<token_count> first_tokens_;
};

}  // namespace kvstrata
