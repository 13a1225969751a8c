// When committed tokens go down to the lower tier.
//
//   page_write_through    at commit, all whole pages; the partial last page at eviction. Loses nothing while the lower
//                         tier has room. Our default.
//   chunk_write_through   at commit, all whole chunks; nothing at eviction. The paper's way: loses up to a chunk less
//                         one token at every eviction.
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// W::flushed_end(tokens, page, chunk)       of a history of so many committed tokens, with pages and chunks of so many
//   -> token_count                          tokens, the lower tier shall hold [0, result) after a commit
// W::writes_back -> bool                    are a victim's dirty tokens written at eviction?
#pragma once

#include <kvstrata/core/ids.hpp>

#include <concepts>

namespace kvstrata {

template <class W>
concept write_policy = requires(token_count tokens) {
  { W::flushed_end(tokens, tokens, tokens) } -> std::same_as<token_count>;
  { W::writes_back } -> std::convertible_to<bool>;
};

struct page_write_through
{
  static constexpr bool writes_back = true;
  [[nodiscard]] static constexpr token_count flushed_end(token_count tokens, token_count page, token_count) noexcept
  {
    return tokens - tokens % page;
  }
};

struct chunk_write_through
{
  static constexpr bool writes_back = false;
  [[nodiscard]] static constexpr token_count flushed_end(token_count tokens, token_count, token_count chunk) noexcept
  {
    return tokens - tokens % chunk;
  }
};

static_assert(write_policy<page_write_through> && write_policy<chunk_write_through>);

}  // namespace kvstrata
