// A layout of our own, as a third party would write one: below the device, all layers of a page lie side by side, so
// that an extent's pages are not dense within a layer and an engine cannot move a run with one copy.
#pragma once

#include <kvstrata/layout/concepts.hpp>

namespace kvstrata_test {

struct page_first_layout
{
  kvstrata::token_count page_tokens = 32;

  [[nodiscard]] constexpr kvstrata::token_count chunk_tokens() const noexcept { return 4 * page_tokens; }
  [[nodiscard]] constexpr kvstrata::page_count extent_pages(kvstrata::page_count,
                                                            kvstrata::page_count wanted) const noexcept
  {
    return wanted < 4 ? wanted : 4;
  }
  [[nodiscard]] constexpr kvstrata::placement device_place(const kvstrata::geometry& shape,
                                                           kvstrata::page_count pages) const noexcept
  {
    return kvstrata::layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr kvstrata::placement lower_place(const kvstrata::geometry& shape,
                                                          kvstrata::page_count) const noexcept
  {
    const std::uint64_t piece = kvstrata::page_layer_bytes(shape, page_tokens);
    return {.layer_stride = piece, .page_stride = piece * shape.layers};
  }

  friend void check(const page_first_layout& l) { kvstrata::check_page_tokens(l.page_tokens); }
};

static_assert(kvstrata::layout_policy<page_first_layout>);

}  // namespace kvstrata_test
