// Pages everywhere: what most LLM caches do. Below the device every page goes where there is a frame, so that nothing
// is wasted, and neighbours in the history are neighbours in the tier only as long as the tier gives them so.
//
// page_first (the default): a frame holds a page in all its layers, and a user's layer is as many copies as pages.
// layer_first: the whole tier is [layer][frame], as the slab is; pages that are neighbours on both sides are one copy.
#pragma once

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_order.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct paged_layout
{
  token_count page_tokens = 32;
  page_order host_order = page_order::page_first;

  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return page_tokens; }
  [[nodiscard]] constexpr page_count extent_pages(page_count, page_count) const noexcept { return 1; }
  [[nodiscard]] constexpr page_count granule_pages() const noexcept { return 1; }
  [[nodiscard]] constexpr token_count longest_history() const noexcept { return no_longest(page_tokens); }
  [[nodiscard]] constexpr placement device_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                                   page_count tier_pages) const noexcept
  {
    if (host_order == page_order::page_first) {
      return place_in_frames(host_order, shape, page_tokens, frame, pages);
    }
    const placement tier = layer_first(shape, page_tokens, tier_pages);
    return {.offset = tier.offset(0, frame), .where = tier};
  }

  friend void check(const paged_layout& l)
  {
    check_page_tokens(l.page_tokens);
    check(l.host_order);
  }
};

static_assert(layout_policy<paged_layout>);

}  // namespace kvstrata
