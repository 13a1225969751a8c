// Pages in the slab, chunks below: MTServe's hybrid storage layout (arXiv 2604.22881).
//
// Below the slab a user's history lies in extents of up to a chunk, contiguous per layer, so that one copy moves
// what a run of device pages and an extent have in common. The paper stores whole chunks only; here an extent may be
// smaller: it is as large as what is written at once, plus room for a quarter of the history before it. So a user who
// grows page by page gets few extents, and never wastes more than a quarter.
//
// layer_first (the default, and the paper's way): an extent is contiguous per layer. page_first: per page, which a
// tier may want that reads and writes whole pages, but then a layer is as many copies as pages.
#pragma once

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_order.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct hybrid_layout
{
  token_count page_tokens = 32;
  token_count chunk = 1024;  ///< largest extent in tokens, a multiple of page_tokens
  page_order host_order = page_order::layer_first;

  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return chunk; }
  [[nodiscard]] constexpr page_count extent_pages(page_count first, page_count wanted) const noexcept
  {
    const page_count most = chunk / page_tokens;
    const page_count room = first / 4 > wanted ? first / 4 : wanted;
    return room < most ? room : most;
  }
  [[nodiscard]] constexpr page_count granule_pages() const noexcept { return 1; }
  [[nodiscard]] constexpr token_count longest_history() const noexcept { return no_longest(page_tokens); }
  [[nodiscard]] constexpr placement device_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                                   page_count) const noexcept
  {
    return place_in_frames(host_order, shape, page_tokens, frame, pages);
  }

  friend void check(const hybrid_layout& l)
  {
    check_page_tokens(l.page_tokens);
    check(l.host_order);
    if (l.chunk == 0 || l.chunk % l.page_tokens != 0) {
      throw config_error("layout.chunk", l.chunk,
                         "it must be a positive multiple of layout.page_tokens, " + std::to_string(l.page_tokens));
    }
  }
};

static_assert(layout_policy<hybrid_layout>);

}  // namespace kvstrata
