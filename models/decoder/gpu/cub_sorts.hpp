// CUB's sorts of keys, descending, as it has them: with temporary == nullptr they only set `bytes`, else they queue. The toolkit's
// header is compiled in one file, apart from kernels that are ours.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

/// cub::DeviceRadixSort::SortKeysDescending by the bits [first_bit, last_bit).
cudaError_t cub_sort(void* temporary, std::size_t& bytes, const std::uint64_t* from, std::uint64_t* to,
                     std::uint32_t count, int first_bit, int last_bit, cudaStream_t stream);

/// cub::DeviceSegmentedSort::SortKeysDescending; segment s is [offsets[s], offsets[s + 1]).
cudaError_t cub_sort_segments(void* temporary, std::size_t& bytes, const std::uint64_t* from, std::uint64_t* to,
                              std::uint32_t count, std::uint32_t segments, const std::uint32_t* offsets,
                              cudaStream_t stream);

}  // namespace decoder::gpu
