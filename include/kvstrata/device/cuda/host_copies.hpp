// Copies from host memory to host memory, in a stream's order.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Queues all pieces as one function of the host's. The runtime's own copies between two ends in host memory block the host
/// until they are done, and with them all that the stream waits for. The list leaks where the GPU has failed: nothing that
/// is queued there is ever called.
[[nodiscard]] inline call_result copy_on_host(cudaStream_t stream, std::span<const copy_piece> pieces)
{
  using list = std::vector<copy_piece>;
  auto mine = std::make_unique<list>(pieces.begin(), pieces.end());
  const auto carry_out = [](void* data) {
    const std::unique_ptr<list> all(static_cast<list*>(data));
    for (const copy_piece& p : *all) std::memcpy(p.dst, p.src, p.bytes);
  };
  const call_result result{cudaLaunchHostFunc(stream, carry_out, mine.get()), "cudaLaunchHostFunc"};
  if (result) static_cast<void>(mine.release());
  return result;
}

}  // namespace kvstrata::cuda
