// One reserved range a user, in the slab and below: what LLM servers did before pages (FasterTransformer, Orca).
//
// Every user has room for the longest history from the first token on, so that a user's layer is one copy and needs no
// list. The price is what is reserved and not used: a user with a tenth of the longest history leaves nine tenths of
// their range empty, and no range is given back in part. Kwon et al. (PagedAttention, SOSP 2023) found 20 % to 38 % of
// such memory to hold tokens; it is the baseline that pages are to beat.
#pragma once

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_order.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Below the device a range is stored layer after layer: in any other order a layer would not be one copy.
struct contiguous_layout
{
  token_count page_tokens = 32;
  token_count longest = 4096;  ///< tokens reserved for each user, a multiple of page_tokens

  /// A page: the range is reserved from the beginning, so that waiting for more to write would gain nothing.
  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return page_tokens; }
  [[nodiscard]] constexpr page_count extent_pages(page_count, page_count) const noexcept { return granule_pages(); }
  [[nodiscard]] constexpr page_count granule_pages() const noexcept { return longest / page_tokens; }
  [[nodiscard]] constexpr token_count longest_history() const noexcept { return longest; }
  [[nodiscard]] constexpr placement device_place(const geometry& shape, page_count pages) const noexcept
  {
    return layer_first(shape, page_tokens, pages);
  }
  [[nodiscard]] constexpr extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                                   page_count) const noexcept
  {
    return place_in_frames(page_order::layer_first, shape, page_tokens, frame, pages);
  }

  friend void check(const contiguous_layout& l)
  {
    check_page_tokens(l.page_tokens);
    if (l.longest == 0 || l.longest % l.page_tokens != 0) {
      throw config_error("layout.longest", l.longest,
                         "it must be a positive multiple of layout.page_tokens, " + std::to_string(l.page_tokens));
    }
    if (l.longest > no_longest(l.page_tokens)) {
      throw config_error("layout.longest", l.longest, "it may be at most " + std::to_string(no_longest(l.page_tokens)));
    }
  }
};

static_assert(layout_policy<contiguous_layout>);

}  // namespace kvstrata
