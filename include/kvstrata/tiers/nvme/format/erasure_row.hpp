// The row that an erasure is in its region's table.
#pragma once

#include <kvstrata/tiers/nvme/format/erasures.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

[[nodiscard]] constexpr table_row row_of(const erasure& e) noexcept
{
  table_row out{.order = e.order, .key = e.key, .life = e.place.generation, .block = e.place.block};
  switch (e.what) {
    case erasure::kind::sequence:
      out.life = 0;
      out.what = table_row::kind::erased_sequence;
      break;
    case erasure::kind::record: out.what = table_row::kind::erased_record; break;
    case erasure::kind::older: out.what = table_row::kind::erased_older; break;
  }
  return out;
}

}  // namespace kvstrata::nvme
