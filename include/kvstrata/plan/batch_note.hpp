// What a caller tells of a batch beside its requests.
#pragma once

#include <kvstrata/transfer/split_batch.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct batch_note
{
  std::uint64_t label = 0;  ///< whatever the caller wants to find the lease by in leases() and events
  queued_work queued{};     ///< work that lies before the batch's own, for the split policy
};

}  // namespace kvstrata
