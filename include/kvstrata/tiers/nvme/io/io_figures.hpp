// How engines count what they have done.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_queue.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A request that is over, well or not.
inline void count(engine_figures& figures, const io_request& request, int fault) noexcept
{
  if (fault != 0) ++figures.errors;
  if (request.io == nullptr) {
    ++figures.flushes;
    return;
  }
  const bool reads = request.io->what == block_io::kind::read;
  ++(reads ? figures.reads : figures.writes);
  if (fault == 0) (reads ? figures.read_bytes : figures.written_bytes) += request.io->bytes();
}

}  // namespace kvstrata::nvme
