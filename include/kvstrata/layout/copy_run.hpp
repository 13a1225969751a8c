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
  page_count frame = 0;  ///< the tier's first page frame; the extent begins frame * page_bytes into the tier
};

/// Pages that follow each other in the history, on the device (consecutive ids) and in one extent. One list serves
/// all layers: a layer only adds its stride to both offsets.
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

/// Appends the runs that move `wanted` (pages of the history) between the device pages and the extents.
/// `pages[i]` is the device page of history page `first_page + i`; `extents` ascend and cover `wanted`.
/// O(pages + extents).
template <layout_policy Layout>
void append_copy_runs(std::vector<copy_run>& out, const Layout& layout, const geometry& shape, placement device_place,
                      std::span<const page_id> pages, page_count first_page, std::span<const placed_extent> extents,
                      page_interval wanted)
{
  const std::uint64_t frame_bytes = page_bytes(shape, layout.page_tokens);
  for (const placed_extent& extent : extents) {
    const page_count from = extent.first_page > wanted.begin ? extent.first_page : wanted.begin;
    const page_count extent_end = extent.first_page + extent.pages;
    const page_count to = extent_end < wanted.end ? extent_end : wanted.end;
    if (from >= to) continue;
    const placement lower_place = layout.lower_place(shape, extent.pages);
    for (page_count page = from; page < to;) {
      const page_id first = pages[page - first_page];
      page_count count = 1;
      while (page + count < to && to_number(pages[page + count - first_page]) == to_number(first) + count) ++count;
      out.push_back({.device_offset = device_place.offset(0, to_number(first)),
                     .lower_offset = extent.frame * frame_bytes + lower_place.offset(0, page - extent.first_page),
                     .device_place = device_place,
                     .lower_place = lower_place,
                     .pages = count});
      page += count;
    }
  }
}

}  // namespace kvstrata
