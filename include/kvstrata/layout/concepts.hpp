// Where token t of layer l lies in each tier. A layout is arithmetic: it owns nothing and moves nothing.
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// l.page_tokens -> token_count           tokens a page; a layout is an aggregate with this member
// l.chunk_tokens() -> token_count        what a write policy by chunks writes at once, a multiple of page_tokens
// l.granule_pages() -> page_count        device pages and frames are taken and given back in multiples of this,
//                                        beginning at multiples of it in the history; 1 unless it reserves ranges.
//                                        noexcept
// l.longest_history() -> token_count     the longest history it can place; no_longest(tokens of a granule) without a
//                                        limit
// l.extent_pages(first, wanted)          pages to make room for when `wanted` >= 1 pages of a user's history, from
//   -> page_count                        page `first` on, need a new extent: a multiple of granule_pages(), at least
//                                        one, and more than `wanted` only to leave the history room to grow
// l.device_place(shape, pages)           where (layer, page id) lies in a slab of so many pages
//   -> placement
// l.lower_place(shape, frame, pages,     where (layer, page of the extent) lies in a tier of tier_pages frames, for an
//   tier_pages) -> extent_place          extent of `pages` pages that has the frames [frame, frame + pages)
// check(l)                               throws config_error when the sizes contradict each other; what they must be in any
//                                        layout, check_pages below asks for
//
// Any of them but granule_pages() may throw: what was being planned or moved then does not come to pass.
// In every tier a page is [K,V][token][head][dim] in one layer; only the strides between pages and layers differ.
// Different extents of one tier never overlap, and all of them lie within its tier_pages * page_bytes bytes. A cache that is
// built looks at the slab and at a few extents of each tier, and throws contract_error where that is not so;
// checked<Layout> (layout/checked.hpp) looks at all that is asked.
// Minimum model: layout/paged_layout.hpp. Models: paged_layout, contiguous_layout, hybrid_layout.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/sizes.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Where an extent lies in a memory below the slab.
struct extent_place
{
  std::uint64_t offset = 0;  ///< bytes from the tier's base to the extent's first page in layer 0
  placement where;           ///< bytes from there to (layer, page of the extent)

  friend constexpr bool operator==(extent_place, extent_place) = default;
};

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
concept bounds_histories = requires(const L& l) {
  { l.granule_pages() } -> std::same_as<page_count>;
  { l.longest_history() } -> std::same_as<token_count>;
};

template <class L>
concept places_pages = requires(const L& l, const geometry& shape, page_count pages) {
  { l.device_place(shape, pages) } -> std::same_as<placement>;
  { l.lower_place(shape, pages, pages, pages) } -> std::same_as<extent_place>;
};

template <class L>
concept sizes_granules_noexcept = requires(const L& l) {
  { l.granule_pages() } noexcept;
};

namespace detail {

/// Refuses with a sentence.
template <bounds_histories L>
struct refuse_throwing_layout
{
  static_assert(sizes_granules_noexcept<L>,
                "a layout's granule_pages() must be noexcept: it is called while leases end, and a throw there would "
                "leave users held");
  static constexpr bool value = true;
};

}  // namespace detail

/// Where only a granule_pages that may throw is in the way, the program does not compile, and is told why.
template <class L>
concept layout_policy = sizes_pages<L> && sizes_extents<L> && bounds_histories<L> && places_pages<L> &&
                        detail::refuse_throwing_layout<L>::value;

/// The granules that `pages` lie in: what a layout wants taken and given back together.
[[nodiscard]] constexpr page_interval whole_granules(page_interval pages, page_count granule) noexcept
{
  if (pages.empty() || granule == 1) return pages;
  return {pages.begin / granule * granule, (pages.end + granule - 1) / granule * granule};
}

/// longest_history() of a layout without a limit: what a token_count can count, less a granule for rounding up.
[[nodiscard]] constexpr token_count no_longest(token_count granule_tokens) noexcept
{
  return (std::numeric_limits<token_count>::max)() - granule_tokens;
}

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

/// Checks shape and layout, and that what is made of both can be counted: the bytes of a page and of a granule, and the
/// longest history in whole granules. Throws config_error.
template <layout_policy L>
void check_pages(const geometry& shape, const L& layout)
{
  check(shape);
  check(layout);
  const page_count granule = layout.granule_pages();
  if (layout.page_tokens == 0) throw config_error("layout.page_tokens", 0, "it must be at least 1");
  if (granule == 0) throw config_error("layout.granule_pages()", 0, "it must be at least 1");
  const std::uint64_t page = checked_product("a page in bytes", shape.token_bytes(), layout.page_tokens);
  static_cast<void>(checked_product("a granule of the layout in bytes", page, granule));
  const std::uint64_t granule_tokens = std::uint64_t{granule} * layout.page_tokens;
  const token_count longest = layout.longest_history();
  constexpr std::uint64_t most = (std::numeric_limits<token_count>::max)();
  if (longest != 0 && (longest - 1) / granule_tokens + 1 > most / granule_tokens) {
    throw config_error(
        "layout.longest_history()", longest,
        "in whole granules of " + std::to_string(granule_tokens) + " tokens it may be at most " + std::to_string(most));
  }
}

}  // namespace kvstrata
