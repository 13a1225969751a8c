// Many copies in one call of the runtime, where it has that call, and in one call each where it has not.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/host_copies.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Copies between memory of any kind: with unified addressing the runtime sees from the addresses which way.
[[nodiscard]] inline call_result copy_piece_by_piece(cudaStream_t stream, std::span<const copy_piece> pieces) noexcept
{
  for (const copy_piece& p : pieces) {
    const call_result result{cudaMemcpyAsync(p.dst, p.src, p.bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync"};
    if (!result) return result;
  }
  return {};
}

/// The same, or as the route asks for.
[[nodiscard]] inline call_result copy_loose(cudaStream_t stream, copy_route route, std::span<const copy_piece> pieces)
{
  return route == copy_route::on_host ? copy_on_host(stream, pieces) : copy_piece_by_piece(stream, pieces);
}

/// Whether a driver takes batches. One that has refused is not asked again.
struct batch_support
{
  std::atomic<bool> refused{false};
  std::atomic<std::uint64_t> calls{0};   ///< of cudaMemcpyBatchAsync that were accepted
  std::atomic<std::uint64_t> pieces{0};  ///< of batches, copied one by one instead

  [[nodiscard]] static bool is_refusal(cudaError_t code) noexcept
  {
    return code == cudaErrorNotSupported || code == cudaErrorCallRequiresNewerDriver;
  }
};

/// One stream's lists for the call, kept so that a steady state allocates nothing. For one thread at a time.
class batch_lists
{
 public:
  /// Queues all pieces, at most `most` a call: tens of thousands in one have crashed drivers. The GPU is current.
  [[nodiscard]] call_result copy(cudaStream_t stream, copy_route route, std::span<const copy_piece> pieces,
                                 std::size_t most, batch_support& support)
  {
    if (route == copy_route::on_host) return copy_on_host(stream, pieces);
    while (pieces.size() > 1 && !support.refused.load(std::memory_order_relaxed)) {
      const auto now = pieces.first((std::min)(most, pieces.size()));
      const call_result result = call(stream, now);
      if (batch_support::is_refusal(result.code)) {
        forget_error();
        support.refused.store(true, std::memory_order_relaxed);
        break;
      }
      if (!result) return result;
      support.calls.fetch_add(1, std::memory_order_relaxed);
      pieces = pieces.subspan(now.size());
      if (pieces.empty()) return {};
    }
    support.pieces.fetch_add(pieces.size(), std::memory_order_relaxed);
    return copy_piece_by_piece(stream, pieces);
  }

 private:
#if CUDART_VERSION >= 12080
  [[nodiscard]] call_result call(cudaStream_t stream, std::span<const copy_piece> pieces)
  {
    destinations_.clear();
    sources_.clear();
    sizes_.clear();
    for (const copy_piece& p : pieces) {
      destinations_.push_back(p.dst);
      sources_.push_back(const_cast<std::byte*>(p.src));  // 12.8 and 12.9 do not say const
      sizes_.push_back(p.bytes);
    }
    cudaMemcpyAttributes attributes{};
    attributes.srcAccessOrder =
        cudaMemcpySrcAccessOrderStream;  // as of a plain copy: what is queued before has written
    attributes.flags = cudaMemcpyFlagPreferOverlapWithCompute;
    std::size_t of_all = 0;
#if CUDART_VERSION >= 13000
    const cudaError_t code = cudaMemcpyBatchAsync(destinations_.data(), sources_.data(), sizes_.data(), pieces.size(),
                                                  &attributes, &of_all, 1, stream);
#else
    std::size_t failed = 0;
    const cudaError_t code = cudaMemcpyBatchAsync(destinations_.data(), sources_.data(), sizes_.data(), pieces.size(),
                                                  &attributes, &of_all, 1, &failed, stream);
#endif
    return {code, "cudaMemcpyBatchAsync"};
  }

  std::vector<void*> destinations_;
  std::vector<void*> sources_;
  std::vector<std::size_t> sizes_;
#else
  [[nodiscard]] call_result call(cudaStream_t, std::span<const copy_piece>) noexcept
  {
    return {cudaErrorNotSupported, "cudaMemcpyBatchAsync"};
  }
#endif
};

}  // namespace kvstrata::cuda
