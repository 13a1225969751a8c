// Does a layout do what its table says? Asked once, where a cache is built: one that points beyond the slab, or puts two pages
// in one place, would spoil users' rows.
#pragma once

#include <kvstrata/core/type_name.hpp>
#include <kvstrata/layout/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// Whether pieces of so many bytes at (layer, page) share none. Exact; O(layers).
[[nodiscard]] constexpr bool pieces_lie_apart(const placement& where, std::uint64_t layers, std::uint64_t pages,
                                              std::uint64_t piece) noexcept
{
  if (pages > 1 && where.page_stride < piece) return false;
  for (std::uint64_t up = 1; up < layers; ++up) {
    const std::uint64_t layer = up * where.layer_stride;
    const std::uint64_t along = where.page_stride == 0 ? 0 : layer / where.page_stride;
    const std::uint64_t last = pages - 1;
    for (const std::uint64_t page : {(std::min)(along, last), (std::min)(along + 1, last)}) {
      const std::uint64_t other = page * where.page_stride;
      if ((layer > other ? layer - other : other - layer) < piece) return false;
    }
  }
  return true;
}

/// Whether all pieces end within so many bytes.
[[nodiscard]] constexpr bool pieces_end_within(std::uint64_t begin, const placement& where, std::uint64_t layers,
                                               std::uint64_t pages, std::uint64_t piece, std::uint64_t bytes) noexcept
{
  if (begin > bytes || piece > bytes - begin) return false;
  const std::uint64_t room = bytes - begin - piece;
  if (layers > 1 && where.layer_stride > room / (layers - 1)) return false;
  const std::uint64_t left = room - (layers - 1) * where.layer_stride;
  return pages <= 1 || where.page_stride <= left / (pages - 1);
}

/// Throws contract_error where pages of an extent, or of the slab, are not in its bytes, or not apart. `call`: what gave that.
template <class Layout, class Call>
void check_place(const geometry& shape, token_count page_tokens, std::uint64_t begin, const placement& where,
                 page_count pages, page_count all_pages, const Call& call)
{
  const std::uint64_t piece = page_layer_bytes(shape, page_tokens);
  const std::uint64_t bytes = std::uint64_t{all_pages} * page_bytes(shape, page_tokens);
  if (!pieces_end_within(begin, where, shape.layers, pages, piece, bytes)) {
    detail::blame<Layout>("::" + call() + " points beyond the " + std::to_string(bytes) + " bytes of " +
                          std::to_string(all_pages) + " pages");
  }
  if (!pieces_lie_apart(where, shape.layers, pages, piece)) {
    detail::blame<Layout>("::" + call() + " puts two pages of " + std::to_string(piece) +
                          " bytes a layer in one place");
  }
}

}  // namespace detail

/// device_place of a slab of so many pages, checked. Throws contract_error. O(layers).
template <layout_policy Layout>
[[nodiscard]] placement checked_device_place(const geometry& shape, const Layout& layout, page_count pages)
{
  const placement where = layout.device_place(shape, pages);
  detail::check_place<Layout>(shape, layout.page_tokens, 0, where, pages, pages,
                              [&] { return "device_place(shape, " + std::to_string(pages) + ")"; });
  return where;
}

/// lower_place of an extent, checked for itself. Throws contract_error. O(layers).
template <layout_policy Layout>
[[nodiscard]] extent_place checked_lower_place(const geometry& shape, const Layout& layout, page_count frame,
                                               page_count pages, page_count tier_pages)
{
  const extent_place at = layout.lower_place(shape, frame, pages, tier_pages);
  detail::check_place<Layout>(shape, layout.page_tokens, at.offset, at.where, pages, tier_pages, [&] {
    return "lower_place(shape, " + std::to_string(frame) + ", " + std::to_string(pages) + ", " +
           std::to_string(tier_pages) + ")";
  });
  return at;
}

/// Checks extents of a few granules at both ends of a tier of so many frames: each for itself, and whether their first and
/// last pages lie apart. Throws contract_error. O(layers log layers).
template <layout_policy Layout>
void check_lower_places(const geometry& shape, const Layout& layout, page_count tier_pages)
{
  const page_count granule = layout.granule_pages();
  const page_count granules = tier_pages / granule;
  const std::uint64_t piece = page_layer_bytes(shape, layout.page_tokens);
  std::vector<std::uint64_t> begins;
  const auto look_at = [&](page_count first, page_count count) {
    const page_count pages = count * granule;
    const extent_place at = checked_lower_place(shape, layout, first * granule, pages, tier_pages);
    for (layer_index layer = 0; layer < shape.layers; ++layer) {
      begins.push_back(at.offset + at.where.offset(layer, 0));
      if (pages > 1) begins.push_back(at.offset + at.where.offset(layer, pages - 1));
    }
  };
  page_count first = 0;
  for (const page_count count : {1U, 2U, 3U, 1U}) {
    if (count > granules - first) break;
    look_at(first, count);
    first += count;
  }
  for (page_count end = granules; const page_count count : {2U, 1U}) {
    if (count > end || end - count < first) break;
    look_at(end -= count, count);
  }
  std::sort(begins.begin(), begins.end());
  const auto close = [piece](std::uint64_t a, std::uint64_t b) { return b - a < piece; };
  if (std::adjacent_find(begins.begin(), begins.end(), close) != begins.end()) {
    detail::blame<Layout>("::lower_place puts pages of two extents of a tier of " + std::to_string(tier_pages) +
                          " frames in one place");
  }
}

}  // namespace kvstrata
