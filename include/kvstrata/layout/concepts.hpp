// Where token t of layer l lies in each tier. A layout is arithmetic: it owns nothing and moves nothing.
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// l.page_tokens -> token_count           tokens a page; a layout is an aggregate with this member
// l.chunk_tokens() -> token_count        the layout's preferred extent in tokens, a multiple of page_tokens
// l.extent_pages(first, wanted)          pages to make room for when `wanted` >= 1 pages of a user's history, from
//   -> page_count                        page `first` on, need a new extent: at least 1, and more than `wanted` only
//                                        to leave the history room to grow
// l.device_place(shape, pages)           where (layer, page id) lies in a slab of so many pages
//   -> placement
// l.lower_place(shape, pages)            where (layer, page of the extent) lies in an extent of so many pages
//   -> placement
// check(l)                               throws config_error when the sizes contradict each other
//
// In every tier a page is [K,V][token][head][dim] in one layer; only the strides between pages and layers differ.
// Minimum model: layout/paged_layout.hpp. Models: paged_layout, hybrid_layout.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <concepts>
#include <string>

namespace kvstrata {

template <class L>
concept sizes_pages = std::copyable<L> && requires(const L& l) {
  { l.page_tokens } -> std::convertible_to<token_count>;
  check(l);
};

template <class L>
concept sizes_extents = requires(const L& l, page_count pages) {
  { l.chunk_tokens() } -> std::same_as<token_count>;
  { l.extent_pages(pages, pages) } -> std::same_as<page_count>;
};

template <class L>
concept places_pages = requires(const L& l, const geometry& shape, page_count pages) {
  { l.device_place(shape, pages) } -> std::same_as<placement>;
  { l.lower_place(shape, pages) } -> std::same_as<placement>;
};

template <class L>
concept layout_policy = sizes_pages<L> && sizes_extents<L> && places_pages<L>;

/// Bytes of one page in one layer: the piece that lies contiguously everywhere.
[[nodiscard]] constexpr std::size_t page_layer_bytes(const geometry& shape, token_count page_tokens) noexcept
{
  return page_tokens * shape.token_layer_bytes();
}

/// Bytes of one page in all layers: what a page costs in any tier.
[[nodiscard]] constexpr std::size_t page_bytes(const geometry& shape, token_count page_tokens) noexcept
{
  return page_tokens * shape.token_bytes();
}

/// `pages` pages stored layer after layer, and within a layer densely page after page.
[[nodiscard]] constexpr placement layer_first(const geometry& shape, token_count page_tokens, page_count pages) noexcept
{
  const std::uint64_t piece = page_layer_bytes(shape, page_tokens);
  return {.layer_stride = piece * pages, .page_stride = piece};
}

inline void check_page_tokens(token_count page_tokens)
{
  constexpr token_count most = 1U << 16U;
  if (page_tokens == 0) throw config_error("layout.page_tokens", page_tokens, "it must be at least 1");
  if (page_tokens > most) {
    throw config_error("layout.page_tokens", page_tokens, "it may be at most " + std::to_string(most));
  }
}

}  // namespace kvstrata
