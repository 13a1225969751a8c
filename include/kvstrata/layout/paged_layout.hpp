// Pages everywhere: what most LLM caches do. A user's layer is as many copies as it has pages.
#pragma once

#include <kvstrata/layout/concepts.hpp>

namespace kvstrata {

struct paged_layout
{
  token_count page_tokens = 32;

  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return page_tokens; }
  [[nodiscard]] constexpr page_count extent_pages(page_count, page_count) const noexcept { return 1; }
  [[nodiscard]] constexpr placement device_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr placement lower_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }

  friend void check(const paged_layout& l) { check_page_tokens(l.page_tokens); }
};

static_assert(layout_policy<paged_layout>);

}  // namespace kvstrata
