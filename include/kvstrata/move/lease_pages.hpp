// Pages that a lease has and no entry: what it reads in the onload window instead of in its users' own pages.
#pragma once

#include <kvstrata/device/event.hpp>
#include <kvstrata/tiers/frame_run.hpp>

#include <cstddef>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct lease_pages
{
  /// Pages of one request's history, from `page` on, that lie in consecutive window pages.
  struct run
  {
    std::size_t request = 0;
    page_count page = 0;
    frame_run where;  ///< page ids
  };

  std::vector<run> runs;
  fence uses;  ///< the copies into these pages and the relocation out of them
};

}  // namespace kvstrata
