#include "decoder/gpu/cub_sorts.hpp"

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_segmented_sort.cuh>

namespace decoder::gpu {

cudaError_t cub_sort(void* temporary, std::size_t& bytes, const std::uint64_t* from, std::uint64_t* to,
                     std::uint32_t count, int first_bit, int last_bit, cudaStream_t stream)
{
  return cub::DeviceRadixSort::SortKeysDescending(temporary, bytes, from, to, count, first_bit, last_bit, stream);
}

cudaError_t cub_sort_segments(void* temporary, std::size_t& bytes, const std::uint64_t* from, std::uint64_t* to,
                              std::uint32_t count, std::uint32_t segments, const std::uint32_t* offsets,
                              cudaStream_t stream)
{
  return cub::DeviceSegmentedSort::SortKeysDescending(temporary, bytes, from, to, count, segments, offsets, offsets + 1,
                                                      stream);
}

}  // namespace decoder::gpu
