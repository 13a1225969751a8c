// What a lease reads in the onload window instead of in its users' own pages.
#pragma once

#include <kvstrata/device/event.hpp>
#include <kvstrata/tiers/run_pool.hpp>

#include <cstddef>
#include <vector>

namespace kvstrata {

struct window_stay
{
  /// Pages of one request's history, from `page` on, that lie in consecutive window pages.
  struct run
  {
    std::size_t request = 0;
    page_count page = 0;
    frame_run where;  ///< page ids
  };

  std::vector<run> runs;
  fence uses;  ///< the copies into these pages and the promotion out of them
};

}  // namespace kvstrata
