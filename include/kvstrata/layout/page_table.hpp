// A page table of a batch, filled request by request.
#pragma once

#include <kvstrata/layout/page_table_view.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata {

/// The arrays of a page_table_view. Clearing keeps their memory, so that a batch does not allocate in steady state. Not
/// synchronised.
struct page_table
{
  std::vector<page_id> page_ids;
  std::vector<std::int32_t> indptr{0};
  std::vector<std::int32_t> last_page_len;
  std::vector<token_count> first_tokens;

  void clear()
  {
    page_ids.clear();
    indptr.assign(1, 0);
    last_page_len.clear();
    first_tokens.clear();
  }

  /// The next request: the window [first_token, tokens) of a history, in pages of `page_tokens` tokens. `pages` hold it,
  /// the first of them first_token.
  void add(std::span<const page_id> pages, token_count first_token, token_count tokens, token_count page_tokens)
  {
    page_ids.insert(page_ids.end(), pages.begin(), pages.end());
    indptr.push_back(static_cast<std::int32_t>(page_ids.size()));
    last_page_len.push_back(pages.empty() ? 0 : static_cast<std::int32_t>((tokens - 1) % page_tokens + 1));
    first_tokens.push_back(first_token);
  }

  /// Over these pages. Valid until the next change.
  [[nodiscard]] page_table_view view(std::byte* base, placement where, const geometry& shape,
                                     token_count page_tokens) const noexcept
  {
    return {.page_ids = page_ids,
            .indptr = indptr,
            .last_page_len = last_page_len,
            .first_tokens = first_tokens,
            .base = base,
            .where = where,
            .shape = shape,
            .page_tokens = page_tokens};
  }
};

}  // namespace kvstrata
