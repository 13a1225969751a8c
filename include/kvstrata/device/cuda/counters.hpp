// What a CUDA device counts of what it was asked for.
#pragma once

#include <kvstrata/device/counters.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a CUDA device counts: as any device, and how its batches went. `streams[i].busy_seconds` is what the trace knows,
/// 0 without one; `stall_seconds` is not measured.
struct cuda_device_counters : device_counters
{
  std::uint64_t batch_calls = 0;   ///< of cudaMemcpyBatchAsync
  std::uint64_t loose_pieces = 0;  ///< of batches, copied by a call each
  std::uint64_t events = 0;        ///< that exist for points of streams
};

}  // namespace kvstrata
