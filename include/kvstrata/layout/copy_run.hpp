// Copy lists: what must move between the slab and a lower tier, as arithmetic on offsets.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/concepts.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata {

/// Room for `pages` pages of one user's history, from page `first_page` on, in a lower tier.
struct placed_extent
{
  page_count first_page = 0;  ///< page of the history
  page_count pages = 0;
  page_count frame = 0;  ///< the first of its frames in the tier
};

/// Pages that follow each other in the history, on the device (consecutive ids) and below (by one stride, in one extent
/// or in several). One list serves all layers: a layer only adds its stride to both offsets.
struct copy_run
{
  std::uint64_t device_offset = 0;  ///< bytes from the slab's base to the first page in layer 0
  std::uint64_t lower_offset = 0;   ///< bytes from the tier's base to the first page in layer 0
  placement device_place;
  placement lower_place;
  page_count pages = 0;
};

/// Everything an engine needs to carry a copy list out.
struct copy_list
{
  std::byte* device_base = nullptr;
  std::byte* lower_base = nullptr;
  std::size_t piece_bytes = 0;  ///< bytes of one page in one layer
  std::uint32_t layers = 0;
  std::vector<copy_run> runs;

  [[nodiscard]] bool empty() const noexcept { return runs.empty(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    std::uint64_t pages = 0;
    for (const copy_run& run : runs) pages += run.pages;
    return pages * piece_bytes * layers;
  }
};

/// Do the pages of `next` follow those of `run` by the same strides, on both sides?
[[nodiscard]] constexpr bool continues(const copy_run& run, const copy_run& next) noexcept
{
  return next.device_place == run.device_place && next.lower_place == run.lower_place &&
         next.device_offset == run.device_offset + run.device_place.offset(0, run.pages) &&
         next.lower_offset == run.lower_offset + run.lower_place.offset(0, run.pages);
}

/// Appends the runs that move `wanted` (pages of the history) between the device pages and the extents, which lie in a
/// tier of `tier_pages` frames. `pages[i]` is the device page of history page `first_page + i`; `extents` ascend and
/// cover `wanted`. Runs are as long as they can be; what `out` had before stays as it is. O(pages + extents).
template <layout_policy Layout>
void append_copy_runs(std::vector<copy_run>& out, const Layout& layout, const geometry& shape, placement device_place,
                      std::span<const page_id> pages, page_count first_page, std::span<const placed_extent> extents,
                      page_count tier_pages, page_interval wanted)
{
  const std::size_t before = out.size();
  for (const placed_extent& extent : extents) {
    const page_count from = extent.first_page > wanted.begin ? extent.first_page : wanted.begin;
    const page_count extent_end = extent.first_page + extent.pages;
    const page_count to = extent_end < wanted.end ? extent_end : wanted.end;
    if (from >= to) continue;
    const extent_place below = layout.lower_place(shape, extent.frame, extent.pages, tier_pages);
    for (page_count page = from; page < to;) {
      const page_id first = pages[page - first_page];
      page_count count = 1;
      while (page + count < to && to_number(pages[page + count - first_page]) == to_number(first) + count) ++count;
      const copy_run next{.device_offset = device_place.offset(0, to_number(first)),
                          .lower_offset = below.offset + below.where.offset(0, page - extent.first_page),
                          .device_place = device_place,
                          .lower_place = below.where,
                          .pages = count};
      if (out.size() > before && continues(out.back(), next)) out.back().pages += count;
      else out.push_back(next);
      page += count;
    }
  }
}

}  // namespace kvstrata
