// Pages on the device, chunks below: MTServe's hybrid storage layout (arXiv 2604.22881).
//
// In a lower tier a user's history lies in extents of up to a chunk, contiguous per layer, so that one copy moves
// what a run of device pages and an extent have in common. The paper stores whole chunks only; here an extent may be
// smaller: it is as large as what is written at once, plus room for a quarter of the history before it. So a user who
// grows page by page gets few extents, and never wastes more than a quarter.
#pragma once

#include <kvstrata/layout/concepts.hpp>

#include <string>

namespace kvstrata {

struct hybrid_layout
{
  token_count page_tokens = 32;
  token_count chunk = 1024;  ///< largest extent in tokens, a multiple of page_tokens

  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return chunk; }
  [[nodiscard]] constexpr page_count extent_pages(page_count first, page_count wanted) const noexcept
  {
    const page_count most = chunk / page_tokens;
    const page_count room = first / 4 > wanted ? first / 4 : wanted;
    return room < most ? room : most;
  }
  [[nodiscard]] constexpr placement device_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr placement lower_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }

  friend void check(const hybrid_layout& l)
  {
    check_page_tokens(l.page_tokens);
    if (l.chunk == 0 || l.chunk % l.page_tokens != 0) {
      throw config_error("layout.chunk", l.chunk,
                         "it must be a positive multiple of layout.page_tokens, " + std::to_string(l.page_tokens));
    }
  }
};

static_assert(layout_policy<hybrid_layout>);

}  // namespace kvstrata
