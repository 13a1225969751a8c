// A record that is being read.
#pragma once

#include <kvstrata/tiers/nvme/books/chain.hpp>
#include <kvstrata/tiers/nvme/books/region_book.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A record to be read: its pages `wanted` go to a reader's page `first` and those behind it.
struct record_read
{
  chain_link from;
  record_place place;
  page_interval wanted;
  page_count first = 0;
  int error = 0;      ///< an errno
  bool good = false;  ///< its bytes are those that were put
};

}  // namespace kvstrata::nvme
