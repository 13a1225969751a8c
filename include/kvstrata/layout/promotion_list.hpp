// Promotions: what must move from one place in the slab to another, as arithmetic on page ids.
#pragma once

#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata {

/// The pages [from, from + pages) of the device go to [to, to + pages), in every layer.
struct promotion_run
{
  page_count from = 0;  ///< device page ids
  page_count to = 0;
  page_count pages = 0;
};

/// Everything an engine needs to promote. No page is both a source and a destination, and none is a destination twice.
struct promotion_list
{
  std::byte* device_base = nullptr;
  std::size_t piece_bytes = 0;  ///< bytes of one page in one layer
  std::uint32_t layers = 0;
  placement place;  ///< of the slab
  std::vector<promotion_run> runs;

  [[nodiscard]] bool empty() const noexcept { return runs.empty(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    std::uint64_t pages = 0;
    for (const promotion_run& run : runs) pages += run.pages;
    return pages * piece_bytes * layers;
  }
};

}  // namespace kvstrata
