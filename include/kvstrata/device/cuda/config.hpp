// What a CUDA device is asked to be, and the check that it makes sense.
//
// What CUDA asks of a process:
// - Streams beyond CUDA_DEVICE_MAX_CONNECTIONS (8 where it is not set) share queues of the hardware and may wait for each
//   other: set it to 32 before the first call of CUDA.
// - Calls may block while a stream's queue in the driver is full, some thousand operations.
// - A thread that never chose a GPU has GPU 0, and calls on it may touch that: hide it with CUDA_VISIBLE_DEVICES.
// - While a stream waits for an open point of a host stream, calls that wait for all of the GPU (allocating, freeing, pinning,
//   loading a kernel for the first time) may not return before the point is completed: whoever completes points calls none of
//   these, and nothing that such a call waits for. CUDA does not see these waits, and streams that share a queue of the
//   hardware hold each other up: the more connections the better.
// - While a thread captures a stream in the global mode, calls that the runtime forbids then fail the device.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct cuda_device_config
{
  int ordinal = 0;                  ///< which GPU, as the runtime numbers them
  std::size_t device_bytes = 0;     ///< bound on all allocate_device together; 0: what the GPU has
  std::size_t pinned_bytes = 0;     ///< bound on all allocate_pinned together; 0: what the host has
  std::size_t batch_pieces = 4096;  ///< most pieces of one cudaMemcpyBatchAsync; longer batches become several
  std::uint32_t pin_threads = 0;    ///< that touch pinned memory first; 0: one a core, at most 16
  bool huge_pages = true;           ///< ask for them for pinned memory
  bool check_overlaps = true;  ///< turn copies down whose pieces overlap: O(pieces log pieces) where they are in no
                               ///< order
  bool trace = false;          ///< keep the span of every operation: trace(). Two events an operation
  bool poison_freed = false;   ///< poison() fills with 0xFF (NaN in every floating-point type)
};

/// Throws config_error when a field is nonsense; `gpus` is how many there are.
inline void check(const cuda_device_config& config, int gpus)
{
  if (config.ordinal < 0 || config.ordinal >= gpus) {
    throw config_error("cuda_device.ordinal", std::to_string(config.ordinal),
                       "this machine has " + std::to_string(gpus) + (gpus == 1 ? " GPU" : " GPUs"));
  }
  if (config.batch_pieces == 0) {
    throw config_error("cuda_device.batch_pieces", std::uint64_t{0}, "a batch has at least 1 piece");
  }
  if (config.pin_threads > 1024) {
    throw config_error("cuda_device.pin_threads", std::uint64_t{config.pin_threads}, "1024 are the limit");
  }
}

}  // namespace kvstrata
